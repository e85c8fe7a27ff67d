-- After BullMQ's moveToActive: given { lane, lease }.
define('took', function()
  local answer, taken = took(given.lane, given.lease)
  if taken then addHand(given.lane, given.lease) end
  return answer
end)
