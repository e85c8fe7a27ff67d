-- A lease is given back: given { lease }. What it still has in hand stays its process's until settled.
define('release', function()
  local lane = call('HGET', P .. '/lease', given.lease)
  if lane and call('HGET', P .. '/hand', given.lease) then
    for _, delivery in ipairs(call('LRANGE', inLane(lane, 'active'), 0, -1)) do
      if holderOf(delivery) == given.lease then call('HSET', P .. '/taken', delivery, me .. '.0') end
    end
  end
  endLease(given.lease)
  if lane then place(lane) end
  return ''
end)
