-- Lanes that are full for the calling process, or not any more: given { lanes, full }. Those that can
-- be claimed again take their turn behind the others.
define('full', function()
  local mine = P .. '/full/' .. me
  for _, lane in ipairs(given.lanes) do
    if given.full then
      call('SADD', mine, lane)
    elseif call('SREM', mine, lane) == 1 then
      local band, score = placeOf(lane)
      if band and score < now + 1 then
        setPlace(lane, band, band, turn())
        woken[#woken + 1] = string.format('%.0f %s', now, lane)
      else
        place(lane)
      end
    end
  end
  if given.full then call('PEXPIRE', mine, 600000) end
  return ''
end)
