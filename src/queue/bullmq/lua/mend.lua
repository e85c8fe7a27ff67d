-- uses: keys records jobs lanes acts settling
-- Deliveries that wait and have no job where they should get one: given { ids }. Answers how many there were.
local function stands(lane, delivery)
  return call('EXISTS', inLane(lane, delivery)) == 1
    and (call('ZSCORE', inLane(lane, 'prioritized'), delivery) or call('ZSCORE', inLane(lane, 'delayed'), delivery))
end

local mended = 0
for _, id in ipairs(given.ids) do
  local last = tonumber(call('HGET', messageKey(id), 'last') or 0)
  if last == 0 then call('ZREM', P .. '/live', id) end
  for n = 1, last do
    local d = readDelivery(id, n)
    local delivery = id .. '-' .. n
    if d and d.s == nil and not isTaken(id, n) and not stands(laneOf(d.to), delivery) then
      settleDown(id, n, d)
      place(laneOf(d.to))
      mended = mended + 1
    end
  end
end
return answer(mended)
