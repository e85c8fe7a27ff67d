-- uses: keys records jobs lanes
-- After the jobs of a message were added: its record, content and indexes. Whatever may not be accepted
-- loses its jobs again. Given { id, alias, once = { key, until }, after, at, chunks, to, from,
-- deliveries = { { n, to, q, c, due } } }; then its content, and fields and values of its hash.

local id, key = given.id, messageKey(given.id)

-- What was written before stays as it is; jobs that do not fit to it go.
local function refuse(value)
  for _, each in ipairs(given.deliveries) do
    local delivery = id .. '-' .. each.n
    local d = readDelivery(id, each.n)
    local lane = laneOf(each.to)
    if d == nil or d.s ~= nil or d.to ~= each.to then dropJob(lane, delivery) end
    place(lane)
  end
  return answer(value)
end

if given.after and not call('GET', P .. '/after/' .. given.after) then return refuse({ 'unwanted' }) end
if given.alias then
  local earlier = call('GET', P .. '/alias/' .. given.alias)
  if earlier then return refuse({ 'accepted', earlier }) end
end
local envelope = call('HGET', key, 'env')
if envelope then
  local same = false
  for i = 6, #ARGV, 2 do same = same or (ARGV[i] == 'env' and ARGV[i + 1] == envelope) end
  return refuse({ same and 'accepted' or 'clash', id })
end
if given.once then
  local used = tonumber(call('HGET', P .. '/once', given.once.key) or 0)
  if used > now then return refuse({ 'used' }) end
  call('HSET', P .. '/once', given.once.key, given.once['until'])
  call('ZADD', P .. '/once-until', given.once['until'], given.once.key)
end

call('HSET', key, unpack(ARGV, 6))
if given.alias then call('SET', P .. '/alias/' .. given.alias, id) end
if given.chunks == nil then
  call('SET', P .. '/c/' .. id, ARGV[5])
else
  call('HDEL', P .. '/storing', id)
end
call('ZADD', P .. '/messages', 0, id)
call('ZADD', P .. '/live', 0, id)
for _, address in ipairs(given.to) do call('ZADD', P .. '/to', 0, address .. '\0' .. id) end
call('ZADD', P .. '/from', 0, given.from .. '\0' .. id)
for _, each in ipairs(given.deliveries) do
  local delivery, lane = id .. '-' .. each.n, laneOf(each.to)
  count('q:' .. each.q, each.c)
  count('d:' .. each.to, each.c)
  registerLane(lane)
  local scope = standingScope(each)
  if scope then
    local d = readDelivery(id, each.n)
    markHeld(id, each.n, d, scope, holdOf(scope))
    writeDelivery(id, each.n, d)
    dropJob(lane, delivery)
  else
    call('ZADD', P .. '/alarm', each.alarm, delivery)
    place(lane)
  end
end
return answer({ 'accepted', id })
