-- A standing hold is placed or lifted: given { scope, who, why, at, lift }. Answers whether there was one.
define('hold', function()
  local before = call('HEXISTS', P .. '/holds', given.scope)
  if given.lift then
    call('HDEL', P .. '/holds', given.scope)
  else
    call('HSET', P .. '/holds', given.scope, cjson.encode({ who = given.who, why = given.why, at = given.at }))
    call('SADD', P .. '/scopes', given.scope)
  end
  return before
end)

-- What was queued before a hold was placed is held, one page: given { scope, on = { { id, n } } }.
-- Answers recipients that are held now, and those under way, which follow when their attempt ends.
define('mark', function()
  local done, busy = 0, 0
  if call('HEXISTS', P .. '/holds', given.scope) == 0 then return { 0, 0 } end
  for _, each in ipairs(given.on) do
    local d = readDelivery(each.id, each.n)
    if d and holderOf(each.id .. '-' .. each.n) then
      busy = busy + #d.r
    elseif d and d.s == nil then
      holdNow(each.id, each.n, d, given.scope)
      done = done + #d.r
      place(laneOf(d.to))
    end
  end
  return { done, busy }
end)

-- Frees one page of what a lifted hold had held: given { scope, who, why, count }. Another hold that
-- lies on it takes over. Answers recipients that are free, deliveries looked at, and recipients that
-- others keep, as "scope", count, …
define('unmark', function()
  local held = P .. '/held/' .. given.scope
  if call('HEXISTS', P .. '/holds', given.scope) == 1 then return { 0, 0, {} } end
  local page = call('SRANDMEMBER', held, given.count)
  local free, kept = 0, {}
  for _, delivery in ipairs(page) do
    local id, n = splitDelivery(delivery)
    local d = readDelivery(id, n)
    call('SREM', held, delivery)
    if d and d.s == HELD and d.scope == given.scope then
      local other = standingScope(d)
      addAct(id, n, { act = 'release', who = given.who, why = given.why })
      if other then
        changeHold(id, n, d, other)
        writeDelivery(id, n, d)
        kept[#kept + 1] = other
        kept[#kept + 1] = #d.r
      else
        markFree(id, n, d)
        settleDown(id, n, d)
        free = free + #d.r
      end
      place(laneOf(d.to))
    end
  end
  if #page == 0 then call('SREM', P .. '/scopes', given.scope) end
  return { free, #page, kept }
end)
