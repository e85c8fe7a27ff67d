-- Lanes wait until a time, or no longer: given { lanes, stop: until, reason, since, cause, site }.
define('suspend', function()
  for _, lane in ipairs(given.lanes) do
    if given.stop['until'] > now then
      suspend(lane, given.stop)
    else
      call('HDEL', P .. '/suspended', lane)
    end
    place(lane)
  end
  return ''
end)
