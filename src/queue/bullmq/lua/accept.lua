-- What was written before stays as it is; jobs that do not fit to it go.
local function refuse(value)
  for _, each in ipairs(given.deliveries) do
    local d = readDelivery(given.id, each.n)
    local lane = laneOf(each.to)
    if d == nil or d.s ~= nil or d.to ~= each.to then dropJob(lane, given.id .. '-' .. each.n) end
    place(lane)
  end
  return value
end

local function isUsed(once)
  local used = tonumber(call('HGET', P .. '/once', once.key) or 0)
  if used > now then return true end
  call('HSET', P .. '/once', once.key, once['until'])
  call('ZADD', P .. '/once-until', once['until'], once.key)
  return false
end

-- After the jobs of a message were added: its record, content and indexes. Whatever may not be accepted
-- loses its jobs again. Given { id, alias, once = { key, until }, after, chunks, to, from,
-- deliveries = { { n, to, q, p, c, due, alarm } } }; then its content, its envelope, and fields and
-- values of its hash.
define('accept', function()
  local id, key = given.id, messageKey(given.id)
  if given.after and not call('GET', P .. '/after/' .. given.after) then return refuse({ 'unwanted' }) end
  if given.alias then
    local earlier = call('GET', P .. '/alias/' .. given.alias)
    if earlier then return refuse({ 'accepted', earlier }) end
  end
  if call('HSETNX', key, 'env', ARGV[6]) == 0 then
    local same = call('HGET', key, 'env') == ARGV[6]
    return refuse({ same and 'accepted' or 'clash', id })
  end
  if given.once and isUsed(given.once) then
    call('DEL', key)
    return refuse({ 'used' })
  end

  call('HSET', key, unpack(ARGV, 7))
  if given.alias then call('SET', P .. '/alias/' .. given.alias, id) end
  if given.chunks == nil then
    call('SET', P .. '/c/' .. id, ARGV[5])
  else
    call('HDEL', P .. '/storing', id)
  end
  call('ZADD', P .. '/live', 0, id)
  for _, address in ipairs(given.to) do call('ZADD', P .. '/to', 0, address .. '\0' .. id) end
  call('ZADD', P .. '/from', 0, given.from .. '\0' .. id)
  for _, each in ipairs(given.deliveries) do
    local delivery, lane = id .. '-' .. each.n, laneOf(each.to)
    count('q:' .. each.q, each.c)
    count('d:' .. each.to, each.c)
    local scope = standingScope(each)
    if scope then
      local d = readDelivery(id, each.n)
      holdDelivery(id, each.n, d, scope)
      writeDelivery(id, each.n, d)
    else
      call('ZADD', P .. '/alarm', each.alarm, delivery)
      placeFor(lane, each)
    end
  end
  return { 'accepted', id }
end, {})
