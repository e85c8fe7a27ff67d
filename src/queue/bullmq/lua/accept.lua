-- What was written before stays as it is; jobs that do not fit to it go, and those of deliveries that a sweep has.
local function refuse(value)
  if given.outside then abandon(given.id) end
  for _, each in ipairs(given.deliveries) do
    local d = readDelivery(given.id, each.n)
    local delivery, lane = given.id .. '-' .. each.n, laneOf(each.to)
    local holder = holderOf(delivery)
    local swept = holder and not string.find(holder, '.', 1, true)
    if d == nil or d.s ~= nil or d.to ~= each.to or swept then dropJob(lane, delivery) end
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

-- After the jobs of a message were added: its small content, record and indexes. Whatever may not be accepted
-- loses its jobs again. Given { id, alias, once = { key, until }, after, large, outside, to, from,
-- deliveries = { { n, to, q, p, c, due, alarm } }, also = entries of small state }; then the content, unless it is large; then fields and
-- values of its hash, `m` first.
define('accept', function()
  local id, key = given.id, messageKey(given.id)
  if given.after and not call('GET', P .. '/after/' .. given.after) then return refuse({ 'unwanted' }) end
  if given.alias then
    local earlier = call('GET', P .. '/alias/' .. given.alias)
    if earlier then return refuse({ 'accepted', earlier }) end
  end
  local before = call('HGET', key, 'm')
  if before then return refuse({ before == ARGV[7] and 'accepted' or 'clash', id }) end
  -- Its process was silent for so long that what it was storing was swept, or Redis was emptied meanwhile.
  if given.large and call('HGET', P .. '/storing', id) ~= me then return refuse({ 'swept' }) end
  if given.once and isUsed(given.once) then return refuse({ 'used' }) end

  if not given.large then call('SET', P .. '/c/' .. id, ARGV[5]) end
  inParts('HSET', key, ARGV, 6)
  if given.large then call('HDEL', P .. '/storing', id) end
  if given.outside then call('SREM', P .. '/gone', id) end
  writeIndexes(id)
  addFact(id)
  for _, each in ipairs(given.deliveries) do
    local delivery, lane = id .. '-' .. each.n, laneOf(each.to)
    count(each, each.c)
    local scope = standingScope(each)
    if scope then
      local d = readDelivery(id, each.n)
      holdDelivery(id, each.n, d, scope)
      writeDelivery(id, each.n, d)
    else
      rank('/alarm', delivery, each.alarm)
      setAge('w', each, delivery, true)
      if each.p < 10 then hurry(lane) end
      placeFor(lane, each)
    end
  end
  return { 'accepted', id, given.also and applyEntries(given.also) }
end, {})
