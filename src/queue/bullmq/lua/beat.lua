-- uses: keys
-- A sign of life: given { length, tag }; then what the process says of itself. Answers the server's
-- time in milliseconds, for how long nothing is claimed, and whether the tag is the caller's alone.
call('ZADD', P .. '/alive', steady + given.length, me)
call('HSET', P .. '/processes', me, ARGV[5])
call('HSETNX', P .. '/tags', given.tag, me)
call('HSET', P .. '/tag-of', me, given.tag)
if call('EXISTS', P .. '/full/' .. me) == 1 then call('PEXPIRE', P .. '/full/' .. me, 600000) end
local time = call('TIME')
local calm = tonumber(call('GET', P .. '/calm') or 0)
local mine = call('HGET', P .. '/tags', given.tag) == me and 1 or 0
return answer({ string.format('%.3f', time[1] * 1000 + time[2] / 1000), math.max(0, calm - steady), mine })
