-- Lanes that may have lost their place find it again, and those that are empty go: given { lanes }.
-- Answers how many are gone.
define('place', function()
  local gone = 0
  for _, lane in ipairs(given.lanes) do
    place(lane)
    local empty = call('EXISTS', inLane(lane, 'prioritized'), inLane(lane, 'delayed'), inLane(lane, 'active')) == 0
    if empty and idleLeases(lane) == 0 then
      call('UNLINK', inLane(lane, 'meta'), inLane(lane, 'pc'), inLane(lane, 'stalled'))
      call('SREM', P .. '/lanes', lane)
      gone = gone + 1
    end
  end
  return gone
end)

-- What a process that is no more was storing is nobody's: given { id, process }. Answers whether it
-- still was, and not accepted meanwhile.
define('disown', function()
  if call('HGET', P .. '/storing', given.id) ~= given.process then return 0 end
  call('HSET', P .. '/storing', given.id, '')
  return 1
end)

local function stands(lane, delivery)
  return call('EXISTS', inLane(lane, delivery)) == 1
    and (call('ZSCORE', inLane(lane, 'prioritized'), delivery) or call('ZSCORE', inLane(lane, 'delayed'), delivery))
end

-- Deliveries that wait and have no job where they should get one: given { ids }. Answers how many.
define('mend', function()
  local mended = 0
  for _, id in ipairs(given.ids) do
    local found = call('HMGET', messageKey(id), 'm', 'last')
    if not found[1] then rank('/live', id, false) end
    local last = tonumber(found[2] or 1)
    for n = 1, last do
      local d = readDelivery(id, n)
      local delivery = id .. '-' .. n
      if d and d.s ~= REFUSED then setAge(d.s == HELD and 'h' or 'w', d, delivery, true) end
      if d and d.s == nil and not holderOf(delivery) and not stands(laneOf(d.to), delivery) then
        settleDown(id, n, d)
        place(laneOf(d.to))
        mended = mended + 1
      end
    end
  end
  return mended
end)

-- A delivery that its taker had in memory and has no more: given { id, n }.
define('load', function()
  local d, text = readDelivery(given.id, given.n)
  return d and load(given.id, given.n, d, text) or { 'gone' }
end)

-- The order over all facts forgets what was before a time, of the server: given { before }, or { age }. The last
-- that goes is kept, so that whoever read up to there knows that nothing is missing.
define('forget_changes', function()
  local time = call('TIME')
  local before = given.before or time[1] * 1000 + math.floor(time[2] / 1000) - given.age
  local limit = string.format('%.0f', before)
  local last = call('XREVRANGE', P .. '/changes', '(' .. limit .. '-0', '-', 'COUNT', 1)[1]
  if not last then return '' end
  call('SET', P .. '/changes-gone', last[1] .. '.' .. #last[2][2] / (ID + 1) - 1)
  call('XTRIM', P .. '/changes', 'MINID', limit)
  return ''
end)

local function forgetEnded(times, keys, ended)
  if #ended == 0 then return end
  call('HDEL', keys, unpack(ended))
  call('ZREM', times, unpack(ended))
end

-- Keys of messages that may be used again, and small state that has had its time. Answers whether there may be more.
define('free_keys', function()
  local used, state = P .. '/once-until', P .. '/state-until'
  local keys = call('ZRANGEBYSCORE', used, '-inf', now, 'LIMIT', 0, 500)
  forgetEnded(used, P .. '/once', keys)
  local ended = call('ZRANGEBYSCORE', state, '-inf', now, 'LIMIT', 0, 500)
  forgetEnded(state, P .. '/state', ended)
  for _, key in ipairs(ended) do rank('/state-keys', key, false) end
  return math.max(#keys, #ended) == 500 and 1 or 0
end)
