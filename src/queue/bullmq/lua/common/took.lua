-- What BullMQ has just moved to active for a lease, whose id is the token of the lock: a delivery to send, or something that has
-- to be put aside because the record says so.

-- A job whose delivery has ended, is held or waits elsewhere: the pointer goes.
local function isStray(lane, d)
  return d == nil or d.s ~= nil or laneOf(d.to) ~= lane
end

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

-- The first of the active is what was fetched last: ours, when it has our lock and is not in our hand.
local function fetched(lane, lease)
  local delivery = call('LINDEX', inLane(lane, 'active'), 0)
  if not delivery or call('GET', inLane(lane, delivery) .. ':lock') ~= lease then return nil end
  if call('HGET', P .. '/taken', delivery) == lease then return nil end
  return delivery
end

local function took(lane, lease)
  if not isAlive(lease) then
    local delivery = fetched(lane, lease)
    if delivery then
      putBack(lane, delivery, readDelivery(splitDelivery(delivery)) or { p = 100 })
      place(lane)
    end
    return { 'idle', '' }
  end
  promote(lane)
  local delivery = fetched(lane, lease)
  if not delivery then
    local at = idleUntil(lane)
    return { at == now and 'again' or 'idle', asText(at) }
  end
  local id, n = splitDelivery(delivery)
  local d = readDelivery(id, n)
  if isStray(lane, d) or isTaken(id, n) then
    dropJob(lane, delivery)
    return { 'again' }
  end
  if suspendedUntil(lane) > now then
    putBack(lane, delivery, d)
    return { 'idle', asText(idleUntil(lane)) }
  end
  local scope = standingScope(d)
  if scope then
    local by = holdOf(scope)
    holdDelivery(id, n, d, scope)
    writeDelivery(id, n, d)
    setAlarm(id, n, d)
    addAct(id, n, { act = 'hold', who = by.who, why = by.why })
    return { 'again' }
  end
  take(lane, lease, delivery, d)
  if d.by == me then return { 'fresh', id, n } end
  return load(id, n, d)
end
