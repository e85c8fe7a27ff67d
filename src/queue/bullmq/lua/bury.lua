-- uses: keys records jobs lanes acts settling leases
-- Leases that lapsed, and processes of which nothing was heard for a whole lease; `leaving` is the
-- caller's own farewell. Given { length, leaving }. Answers the processes that are gone.
-- A clock that was set back would keep a lease for ever.
for _, set in ipairs({ '/leases', '/alive' }) do
  for _, member in ipairs(call('ZRANGEBYSCORE', P .. set, '(' .. (steady + 2 * given.length), '+inf', 'LIMIT', 0, 1000)) do
    call('ZADD', P .. set, steady + given.length, member)
  end
end
lapse()
local dead = {}
if given.leaving then
  dead = { me }
elseif calmUntil() <= steady then
  dead = call('ZRANGEBYSCORE', P .. '/alive', '-inf', steady, 'LIMIT', 0, 10)
end
for _, process in ipairs(dead) do
  local taken = call('HGETALL', P .. '/taken')
  for i = 1, #taken, 2 do
    if taken[i + 1] == process or taken[i + 1] == process .. '.0' then giveBack(taken[i], taken[i + 1]) end
  end
  local tag = call('HGET', P .. '/tag-of', process)
  if tag then call('HDEL', P .. '/tags', tag) end
  call('HDEL', P .. '/tag-of', process)
  call('ZREM', P .. '/alive', process)
  call('HDEL', P .. '/processes', process)
  call('UNLINK', P .. '/full/' .. process)
end
return answer(dead)
