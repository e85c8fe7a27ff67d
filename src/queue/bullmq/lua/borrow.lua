-- What the other processes that live have of a site, and would like to have. A dead one's returns.
local function readOthers(key)
  local rows, others = call('HGETALL', key), {}
  for i = 1, #rows, 2 do
    local process = rows[i]
    local time = process ~= me and call('ZSCORE', P .. '/alive', process)
    if time and tonumber(time) > steady then
      local has, wants = string.match(rows[i + 1], '^(%d+) (%d+)$')
      others[#others + 1] = { has = tonumber(has), wants = tonumber(wants) }
    elseif process ~= me then
      call('HDEL', key, process)
    end
  end
  return others
end

-- As many as are free, after each of the others has what it wants up to an equal share. Whoever has
-- less than its share is first; nobody has more than the limit leaves.
local function borrow(loan)
  local key = P .. '/site/' .. loan.site
  local others = readOthers(key)
  local share = math.max(1, math.floor(loan.limit / (#others + 1)))
  local free, reserved = loan.limit, 0
  for _, each in ipairs(others) do
    free = free - each.has
    reserved = reserved + math.max(0, math.min(each.wants, share) - each.has)
  end
  local most = math.max(free - reserved, math.min(free, share))
  local target = math.max(0, math.min(loan.wanted, most))
  -- Until they are given back, those that it has are not free.
  local has = math.max(loan.held, target)
  if has == 0 and loan.wanted == 0 then
    call('HDEL', key, me)
  else
    call('HSET', key, me, has .. ' ' .. loan.wanted)
  end
  return target
end

-- Connections that the calling process may have: given { loans = { { site, held, wanted, limit } } }.
define('borrow', function()
  local answers = {}
  for _, loan in ipairs(given.loans) do answers[#answers + 1] = borrow(loan) end
  return answers
end)
