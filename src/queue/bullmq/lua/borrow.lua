-- Connections of a site that the calling process may have, out of a limit that all processes of one
-- source share: given { site, held, wanted, limit }. Answers how many; it may be fewer than are held,
-- when others have less than their share: then as many as can be are to be given back.
-- A dead process's return when its lease of life is over.
define('borrow', function()
  local key = P .. '/site/' .. given.site
  local rows = call('HGETALL', key)
  local held, wanting, others = 0, 1, {}
  for i = 1, #rows, 2 do
    local process = rows[i]
    if process ~= me then
      local time = call('ZSCORE', P .. '/alive', process)
      if time and tonumber(time) > steady then
        local has, wants = string.match(rows[i + 1], '^(%d+) (%d+)$')
        has, wants = tonumber(has), tonumber(wants)
        held, wanting = held + has, wanting + 1
        others[#others + 1] = { has = has, wants = wants }
      else
        call('HDEL', key, process)
      end
    end
  end
  local share = math.max(1, math.floor(given.limit / wanting))
  local reserved = 0
  for _, each in ipairs(others) do
    reserved = reserved + math.max(0, math.min(each.wants, share) - each.has)
  end
  local free = given.limit - held
  local target = math.max(0, math.min(given.wanted, math.max(free - reserved, math.min(free, share))))
  local granted = math.max(given.held, target)
  if granted == 0 and given.wanted == 0 then
    call('HDEL', key, me)
  else
    call('HSET', key, me, granted .. ' ' .. given.wanted)
  end
  return target
end)
