-- What BullMQ has just moved to active for a lease: a delivery to send, or something that has to be
-- put aside because the record says so.

local function load(id, n, d)
  local message = call('HMGET', messageKey(id), 'at', 'env', 'size', 'chunks')
  local rows = {}
  for _, r in ipairs(d.r) do
    local row = readRecipient(id, r, n, d)
    rows[#rows + 1] = { r, row.a, row.due }
  end
  local chunks = message[4]
  return { 'loaded', id, n, cjson.encode(d), message[1], message[2], message[3], chunks or '',
    cjson.encode(rows), chunks and '' or (call('GET', P .. '/c/' .. id) or '') }
end

-- The first of the active is what was fetched last: just now, when it is in nobody's hand yet.
local function fetched(lane)
  local delivery = call('LINDEX', inLane(lane, 'active'), 0)
  return delivery and not holderOf(delivery) and delivery or nil
end

-- What the lease is answered; and whether it has one more in hand.
local function took(lane, lease)
  local delivery = fetched(lane)
  if not isAlive(lease) then
    if delivery then
      putBack(lane, delivery, readDelivery(splitDelivery(delivery)) or { p = 100 })
      place(lane)
    end
    return { 'idle', '' }, false
  end
  promote(lane)
  if not delivery then
    local at = idleUntil(lane)
    return { at == now and 'again' or 'idle', asText(at) }, false
  end
  local id, n = splitDelivery(delivery)
  local d = readDelivery(id, n)
  -- Its delivery has ended, is held or waits elsewhere: the pointer goes.
  if d == nil or d.s ~= nil or laneOf(d.to) ~= lane then
    dropJob(lane, delivery)
    return { 'again' }, false
  end
  if suspendedUntil(lane) > now then
    putBack(lane, delivery, d)
    return { 'idle', asText(idleUntil(lane)) }, false
  end
  local scope = standingScope(d)
  if scope then
    holdNow(id, n, d, scope)
    return { 'again' }, false
  end
  call('HSET', P .. '/taken', delivery, lease)
  if d.by == me then return { 'fresh', id, n }, true end
  return load(id, n, d), true
end
