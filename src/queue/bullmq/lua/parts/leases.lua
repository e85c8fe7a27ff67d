-- Leases: who may draw from which lane until when, and what each has in hand. `taken` says of a
-- delivery who has it: a lease "process.n", "process.0" when its lease was given back meanwhile, or
-- "process" when a sweep has it.

local function isAnyLapsed()
  if anyLapsed == nil then
    anyLapsed = #call('ZRANGEBYSCORE', P .. '/leases', '-inf', steady, 'LIMIT', 0, 1) > 0
  end
  return anyLapsed
end

-- `exists`: something is still in its hand.
local function isAlive(lease, exists)
  if exists and not isAnyLapsed() then return true end
  local time = call('ZSCORE', P .. '/leases', lease)
  return time and tonumber(time) > steady
end

local function addIdle(lane, by)
  if call('HINCRBY', P .. '/idle', lane, by) <= 0 then call('HDEL', P .. '/idle', lane) end
end

-- The lease has one more delivery in hand.
local function addHand(lane, lease)
  if call('HINCRBY', P .. '/hand', lease, '1') == 1 then addIdle(lane, -1) end
end

-- Or one less; whoever has none is idle.
local function dropHand(holder)
  local lane = call('HGET', P .. '/lease', holder)
  if not lane or call('HINCRBY', P .. '/hand', holder, '-1') > 0 then return end
  call('HDEL', P .. '/hand', holder)
  addIdle(lane, 1)
end

-- Ends the lease; the lane that it drew from, when there was one.
local function endLease(lease)
  local lane = call('HGET', P .. '/lease', lease)
  call('ZREM', P .. '/leases', lease)
  if not lane then return nil end
  call('HDEL', P .. '/lease', lease)
  if not call('HGET', P .. '/hand', lease) then addIdle(lane, -1) end
  call('HDEL', P .. '/hand', lease)
  return lane
end

-- A delivery that was taken and never settled goes back. Where it was being sent that was an attempt
-- of which nobody knows the end: it may have arrived. `unseen`: nobody ever had it.
local function giveBack(delivery, holder, unseen)
  local id, n = splitDelivery(delivery)
  local d = readDelivery(id, n)
  setHolder(delivery, false)
  dropHand(holder)
  if d == nil then return end
  local pending = d.pend
  d.pend, d.by = nil, nil
  if not unseen and string.find(holder, '.', 1, true) then
    for _, r in ipairs(d.r) do
      local row = readRecipient(id, r, n, d)
      row.a, row.due = row.a + 1, now
      writeRecipient(id, r, d, row)
    end
    d.due = now
    d.last = d.last or {}
    d.last.kind = 'interrupted'
    addFact(id, cjson.encode({ kind = 'interrupted', at = now, delivery = delivery }))
    told[#told + 1] = cjson.encode({ kind = 'interrupted', at = now, message = id, n = n })
  end
  settleDown(id, n, d)
  applyPending(id, n, pending)
  place(laneOf(d.to))
end

-- So many at a time.
local LAPSED = 50

local function recoveryUntil()
  return tonumber(call('GET', P .. '/recovery-pause') or 0)
end

-- Ends the leases that were not renewed in time, and gives back what they had in hand. For a whole
-- lease after the server came back nothing counts as lapsed: those who had leases return first.
local function lapse()
  local lapsed = call('ZRANGEBYSCORE', P .. '/leases', '-inf', steady, 'LIMIT', 0, LAPSED)
  if #lapsed == 0 or recoveryUntil() > steady then return end
  for _, lease in ipairs(lapsed) do
    local lane = call('HGET', P .. '/lease', lease)
    if lane then
      for _, delivery in ipairs(call('LRANGE', inLane(lane, 'active'), 0, -1)) do
        if holderOf(delivery) == lease then giveBack(delivery, lease) end
      end
    end
    endLease(lease)
    if lane then place(lane) end
  end
end
