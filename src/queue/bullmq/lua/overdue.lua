-- uses: keys records jobs lanes acts settling leases took
-- Deliveries whose time to expire or to warn has come, or that an operator refused, whatever lanes
-- and leases say: given { kind, count }. Each is taken until it is settled.
local found = {}

local function give(id, n, d)
  dropJob(laneOf(d.to), id .. '-' .. n)
  call('HSET', P .. '/taken', id .. '-' .. n, me)
  call('ZREM', P .. '/alarm', id .. '-' .. n)
  count('sending', #d.r)
  d.by = nil
  found[#found + 1] = load(id, n, d)
end

if given.kind == 'refuse' then
  for _, delivery in ipairs(call('SRANDMEMBER', P .. '/refused', given.count)) do
    call('SREM', P .. '/refused', delivery)
    local id, n = splitDelivery(delivery)
    local d = readDelivery(id, n)
    if d then give(id, n, d) end
  end
  return answer(found)
end

local LOOKED = 1000
local due = call('ZRANGEBYSCORE', P .. '/alarm', '-inf', now, 'LIMIT', 0, LOOKED)
for _, delivery in ipairs(due) do
  if #found == given.count then break end
  local id, n = splitDelivery(delivery)
  local d = readDelivery(id, n)
  if d == nil or d.s ~= nil or isTaken(id, n) then
    -- Whoever has it sets its alarm again.
    call('ZREM', P .. '/alarm', delivery)
  elseif (d.exp <= now) == (given.kind == 'expire') then
    give(id, n, d)
    place(laneOf(d.to))
  end
end
return answer(found)
