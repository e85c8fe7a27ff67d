-- It is taken until it is settled, and has no place in its lane.
local function sweepUp(id, n, d, text)
  dropJob(laneOf(d.to), id .. '-' .. n)
  setHolder(id .. '-' .. n, me)
  rank('/alarm', id .. '-' .. n, false)
  return load(id, n, d, text)
end

local function refused()
  local found = {}
  for _, delivery in ipairs(call('SRANDMEMBER', P .. '/refused', given.count)) do
    call('SREM', P .. '/refused', delivery)
    local id, n = splitDelivery(delivery)
    local d, text = readDelivery(id, n)
    if d then found[#found + 1] = sweepUp(id, n, d, text) end
  end
  return found
end

local LOOKED = 1000

-- Deliveries whose time to expire or to warn has come, or that an operator refused, whatever lanes
-- and leases say: given { kind, count }.
define('overdue', function()
  if given.kind == 'refuse' then return refused() end
  local found = {}
  for _, delivery in ipairs(call('ZRANGEBYSCORE', P .. '/alarm', '-inf', now, 'LIMIT', 0, LOOKED)) do
    if #found == given.count then break end
    local id, n = splitDelivery(delivery)
    local d, text = readDelivery(id, n)
    local scope = d and standingScope(d)
    if d == nil or d.s ~= nil or holderOf(delivery) then
      -- Whoever has it sets its alarm again.
      rank('/alarm', delivery, false)
    elseif scope then
      -- A hold that was placed just now has not come to it: held mail neither expires nor warns.
      holdNow(id, n, d, scope)
      place(laneOf(d.to))
    elseif (d.exp <= now) == (given.kind == 'expire') then
      found[#found + 1] = sweepUp(id, n, d, text)
      place(laneOf(d.to))
    end
  end
  return found
end)
