-- A delivery that goes on waiting: held where a standing hold lies on such mail, else in its lane.

-- `kept`: BullMQ may have put its job where it should be.
local function settleDown(id, n, d, kept)
  local delivery, lane = id .. '-' .. n, laneOf(d.to)
  -- It was held while its lease had lapsed: a standing hold is looked at anew.
  if d.s == HELD and d.scope ~= 'ids' then markFree(id, n, d) end
  if d.s == REFUSED then
    call('SADD', P .. '/refused', delivery)
  elseif d.s == nil then
    local scope = standingScope(d)
    if scope then
      holdDelivery(id, n, d, scope)
    elseif kept and call('ZSCORE', inLane(lane, 'delayed'), delivery) then
      call('HSET', inLane(lane, delivery), 'timestamp', now, 'delay', math.max(0, d.due - now))
    else
      schedule(lane, delivery, d)
    end
  end
  writeDelivery(id, n, d)
  setAlarm(id, n, d)
end
