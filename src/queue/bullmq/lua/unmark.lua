-- uses: keys records jobs lanes acts settling
-- Frees one page of what a lifted hold had held: given { scope, who, why, count }. Another hold that
-- lies on it takes over. Answers recipients that are free, and deliveries looked at.
local held = P .. '/held/' .. given.scope
if call('HEXISTS', P .. '/holds', given.scope) == 1 then return answer({ 0, 0 }) end
local page = call('SRANDMEMBER', held, given.count)
local free = 0
for _, delivery in ipairs(page) do
  local id, n = splitDelivery(delivery)
  local d = readDelivery(id, n)
  call('SREM', held, delivery)
  if d and d.s == HELD and d.scope == given.scope then
    markFree(id, n, d)
    settleDown(id, n, d)
    addAct(id, n, { act = 'release', who = given.who, why = given.why })
    if d.s == nil then free = free + #d.r end
    place(laneOf(d.to))
  end
end
if #page == 0 then call('SREM', P .. '/scopes', given.scope) end
return answer({ free, #page })
