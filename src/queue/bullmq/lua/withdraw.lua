-- Whether nobody has begun with the message, and nothing was recorded of it but its acceptance.
local function isUntouched(id, fields)
  for i = 1, #fields, 2 do
    local n = string.match(fields[i], '^d(%d+)$')
    if string.find(fields[i], '^[fr]%d') or n and holderOf(id .. '-' .. n) then return false end
  end
  return #fields > 0
end

-- Mail whose acceptance could not be confirmed to its client, which will send it again: it goes,
-- unless somebody has begun with it, and its key can be used again. Given { id, to, from, alias, once, outside }.
define('withdraw', function()
  local id, key = given.id, messageKey(given.id)
  local fields = call('HGETALL', key)
  if #fields == 0 and given.outside then abandon(id) end
  if not isUntouched(id, fields) then return 0 end
  local chunks
  for i = 1, #fields, 2 do
    local n = string.match(fields[i], '^d(%d+)$')
    if n then
      local d = cjson.decode(fields[i + 1])
      chunks = d.k
      count(d, -#d.r)
      markFree(id, n, d)
      dropJob(laneOf(d.to), id .. '-' .. n)
      rank('/alarm', id .. '-' .. n, false)
      setAge('w', d, id .. '-' .. n, false)
      place(laneOf(d.to))
    end
  end
  dropContent(id, chunks)
  if given.alias then call('DEL', P .. '/alias/' .. given.alias) end
  if given.once then
    call('HDEL', P .. '/once', given.once.key)
    call('ZREM', P .. '/once-until', given.once.key)
  end
  call('DEL', key)
  rank('/live', id, false)
  for _, address in ipairs(given.to) do rank('/to', address .. '\0' .. id, false) end
  rank('/from', given.from .. '\0' .. id, false)
  return 1
end)
