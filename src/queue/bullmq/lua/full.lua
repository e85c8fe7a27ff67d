-- The caller hears again of a lane whose wakes it has not listened to.
local function tellOf(lane)
  local _, score = placeOf(lane)
  if score then woken[#woken + 1] = string.format('%.0f %s', math.max(now, score), lane) end
end

-- Lanes that are full for the calling process, or not any more: given { lanes, full }. Those that can
-- be claimed again take their turn behind the others.
define('full', function()
  local mine = P .. '/full/' .. me
  for _, lane in ipairs(given.lanes) do
    if given.full then
      call('SADD', mine, lane)
    else
      call('SREM', mine, lane)
      local band, score = placeOf(lane)
      if band and score < now + 1 then setPlace(lane, band, band, turn()) else place(lane) end
      tellOf(lane)
    end
  end
  if given.full then call('PEXPIRE', mine, 600000) end
  return ''
end)
