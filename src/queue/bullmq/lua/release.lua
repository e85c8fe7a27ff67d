-- A lease is given back: given { lease }. What it still has in hand stays its process's until settled.
define('release', function()
  local lane = call('HGET', P .. '/lease', given.lease)
  if lane and call('HGET', P .. '/hand', given.lease) then
    for _, delivery in ipairs(call('LRANGE', inLane(lane, 'active'), 0, -1)) do
      if holderOf(delivery) == given.lease then setHolder(delivery, me .. '.0') end
    end
  end
  endLease(given.lease)
  if lane then place(lane) end
  return ''
end)

-- Leases go on: given { leases, length }. Those that are no more stay so.
define('renew', function()
  for _, lease in ipairs(given.leases) do call('ZADD', P .. '/leases', 'XX', steady + given.length, lease) end
  return ''
end)
