-- uses: keys records jobs lanes acts settling
-- What was queued before a hold was placed is held, one page: given { scope, on = { { id, n } } }.
-- Answers recipients that are held now, and those under way, which follow when their attempt ends.
local done, busy = 0, 0
if call('HEXISTS', P .. '/holds', given.scope) == 0 then return answer({ 0, 0 }) end
local by = holdOf(given.scope)
for _, each in ipairs(given.on) do
  local d = readDelivery(each.id, each.n)
  if d and isTaken(each.id, each.n) then
    busy = busy + #d.r
  elseif d and d.s == nil then
    d.by = nil
    holdDelivery(each.id, each.n, d, given.scope)
    writeDelivery(each.id, each.n, d)
    setAlarm(each.id, each.n, d)
    addAct(each.id, each.n, { act = 'hold', who = by.who, why = by.why })
    done = done + #d.r
    place(laneOf(d.to))
  end
end
return answer({ done, busy })
