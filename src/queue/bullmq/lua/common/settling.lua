-- A delivery that goes on waiting: held where a standing hold lies on such mail, else in its lane.

local function holdDelivery(id, n, d, scope, wish)
  local by = wish or holdOf(scope)
  markHeld(id, n, d, scope, by)
  dropJob(laneOf(d.to), id .. '-' .. n)
end

-- `kept`: BullMQ has just put its job where it should be.
local function settleDown(id, n, d, kept)
  local delivery = id .. '-' .. n
  if d.s == nil then
    local scope = standingScope(d)
    if scope then
      holdDelivery(id, n, d, scope)
    elseif not (kept and call('ZSCORE', inLane(laneOf(d.to), 'delayed'), delivery)) then
      schedule(laneOf(d.to), delivery, d)
    end
  elseif d.s == REFUSED then
    call('SADD', P .. '/refused', delivery)
  end
  writeDelivery(id, n, d)
  setAlarm(id, n, d)
end
