-- uses: keys records jobs lanes
-- Lanes that may have lost their place find it again, and those that are empty go: given { lanes, idle }.
-- `idle` is a hash's word for leases; answers how many lanes are gone.
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
return answer(gone)
