-- uses: keys
-- A process has (re)connected: given { run = of the server, length = of a lease }. A server that has
-- restarted, or another that took over, may not know what was taken last: for one whole lease
-- nothing is claimed and nothing lapses, so that those who were at work can say what came of it.
local before = call('GET', P .. '/run')
call('SET', P .. '/run', given.run)
if before and before ~= given.run and (call('ZCARD', P .. '/leases') > 0 or call('HLEN', P .. '/taken') > 0) then
  call('SET', P .. '/calm', steady + given.length)
end
local calm = tonumber(call('GET', P .. '/calm') or 0)
return answer(math.max(0, calm - steady))
