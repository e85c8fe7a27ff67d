-- uses: keys records jobs lanes
-- Mail whose acceptance could not be confirmed to its client, which will send it again: it goes,
-- unless somebody has begun with it. Given { id, to, from }.
local id, key = given.id, messageKey(given.id)
local last = tonumber(call('HGET', key, 'last') or 0)
for n = 1, last do
  local d = readDelivery(id, n)
  if d == nil or isTaken(id, n) or call('HEXISTS', key, 'facts') == 1 then return answer(0) end
end
for n = 1, last do
  local d = readDelivery(id, n)
  count('q:' .. d.q, -#d.r)
  count('d:' .. d.to, -#d.r)
  markFree(id, n, d)
  dropJob(laneOf(d.to), id .. '-' .. n)
  call('ZREM', P .. '/alarm', id .. '-' .. n)
  place(laneOf(d.to))
end
if last == 0 then return answer(0) end
local chunks = tonumber(call('HGET', key, 'chunks'))
if chunks == 0 then call('SADD', P .. '/gone', id) end
for i = 0, (chunks or 0) - 1 do call('UNLINK', P .. '/c/' .. id .. '/' .. i) end
call('UNLINK', key, P .. '/c/' .. id)
call('ZREM', P .. '/messages', id)
call('ZREM', P .. '/live', id)
for _, address in ipairs(given.to) do call('ZREM', P .. '/to', address .. '\0' .. id) end
call('ZREM', P .. '/from', given.from .. '\0' .. id)
return answer(1)
