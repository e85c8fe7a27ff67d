-- Lanes wait until a time, or no longer: given { lanes, until, site, reason }.
define('suspend', function()
  for _, lane in ipairs(given.lanes) do
    if given['until'] > now then
      suspend(lane, { ['until'] = given['until'], site = given.site, reason = given.reason })
    else
      call('HDEL', P .. '/suspended', lane)
    end
    place(lane)
  end
  return ''
end)
