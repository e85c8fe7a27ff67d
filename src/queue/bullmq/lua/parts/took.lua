-- What BullMQ has just moved to active for a lease: a delivery to send, or something that has to be
-- put aside because the record says so.

-- Attempts and times of its recipients, where they are not what they were at first.
local function rowsOf(id, n, d)
  if not d.t then return '' end
  local rows = {}
  for _, r in ipairs(d.r) do
    local row = readRecipient(id, r, n, d)
    rows[#rows + 1] = { r, row.a, row.due }
  end
  return cjson.encode(rows)
end

local function load(id, n, d, text)
  local content = d.k == nil and call('GET', P .. '/c/' .. id) or ''
  return { 'loaded', id, n, text, call('HGET', messageKey(id), 'm'), rowsOf(id, n, d), content }
end

-- BullMQ hands nothing out of a lane that was paused, or limited, with its own means. Nobody asks it
-- again for a while, and admins see why.
local STOPPED = 60000

local function isStopped(lane)
  local stops = call('HMGET', inLane(lane, 'meta'), 'paused', 'concurrency', 'max')
  return stops[1] or stops[2] or stops[3]
end

local function suspendStopped(lane)
  local reason = 'the lane was paused or limited by the means of BullMQ'
  local stop = { ['until'] = now + STOPPED, reason = reason, cause = 'other', since = now }
  suspend(lane, stop)
  place(lane)
  return now + STOPPED
end

-- What the lease is answered; and whether it has one more in hand. `exists`: it had something until now.
local function took(lane, lease, exists)
  local delivery = moved
  if not isAlive(lease, exists) then
    if delivery then
      putBack(lane, delivery, readDelivery(splitDelivery(delivery)) or { p = 100 })
      place(lane)
    end
    return { 'idle', '' }, false
  end
  promote(lane)
  if not delivery then
    local at = idleUntil(lane)
    if at == now and isStopped(lane) then at = suspendStopped(lane) end
    return { at == now and 'again' or 'idle', asText(at) }, false
  end
  local id, n = splitDelivery(delivery)
  local d, text = readDelivery(id, n)
  -- Its delivery has ended, is held or waits elsewhere: the pointer goes.
  if d == nil or d.s ~= nil or laneOf(d.to) ~= lane then
    dropJob(lane, delivery)
    return { 'again' }, false
  end
  -- Most often nothing at all is stopped.
  if isAnySuspended() or isAnyHold() then
    if suspendedUntil(lane) > now then
      putBack(lane, delivery, d)
      return { 'idle', asText(idleUntil(lane)) }, false
    end
    local scope = standingScope(d)
    if scope then
      holdNow(id, n, d, scope)
      return { 'again' }, false
    end
  end
  setHolder(delivery, lease)
  if d.by == me then return { 'fresh', id, n }, true end
  return load(id, n, d, text), true
end
