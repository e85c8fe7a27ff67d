-- It can be claimed again, behind the others. When that is it is told in any case: what was said of it
-- meanwhile was not heard.
local function unfull(lane)
  local band, score = placeOf(lane)
  if band and score < now + 1 then
    setPlace(lane, band, band, turn())
  else
    place(lane)
  end
  band, score = placeOf(lane)
  if band then woken[#woken + 1] = string.format('%.0f %s', math.max(now, score), lane) end
end

-- Lanes that are full for the calling process, or not any more: given { lanes, full }.
define('full', function()
  local mine = P .. '/full/' .. me
  for _, lane in ipairs(given.lanes) do
    if given.full then
      call('SADD', mine, lane)
    else
      call('SREM', mine, lane)
      unfull(lane)
    end
  end
  if given.full then call('PEXPIRE', mine, 600000) end
  return ''
end)
