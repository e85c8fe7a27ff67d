-- uses: keys records jobs lanes
-- Lanes that are full for the calling process, or not any more: given { lanes, full }. Those that can
-- be claimed again take their turn behind the others.
local mine = P .. '/full/' .. me
for _, lane in ipairs(given.lanes) do
  if given.full then
    call('SADD', mine, lane)
  elseif call('SREM', mine, lane) == 1 then
    local was = false
    for band = 0, BANDS - 1 do
      local score = call('ZSCORE', inBand(band), lane)
      if score and tonumber(score) < now + 1 then
        call('ZADD', inBand(band), string.format('%.17g', turn()), lane)
        was = true
      end
    end
    if was then woken[#woken + 1] = string.format('%.0f %s', now, lane) else place(lane) end
  end
end
if given.full then call('PEXPIRE', mine, 600000) end
return answer(call('SCARD', mine))
