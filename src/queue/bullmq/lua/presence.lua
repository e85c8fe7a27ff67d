-- A process has (re)connected: given { run = of the server, length = of a lease }. A server that has
-- restarted, or another that took over, may not know what was taken last: for one whole lease
-- nothing is claimed and nothing lapses, so that those who were at work can say what came of it.
-- Answers for how long.
define('hello', function()
  local before = call('GET', P .. '/run')
  call('SET', P .. '/run', given.run)
  local wereBusy = call('ZCARD', P .. '/leases') > 0 or call('HLEN', P .. '/taken') > 0
  if before and before ~= given.run and wereBusy then call('SET', P .. '/recovery-pause', steady + given.length) end
  return math.max(0, recoveryUntil() - steady)
end)

-- A connection of the caller was lost, and answers perhaps with it: what it was handed and does not know
-- of goes back as it was. Given { hand = the deliveries that it has }.
define('hand', function()
  local hand, taken = {}, call('HGETALL', P .. '/taken')
  for _, delivery in ipairs(given.hand) do hand[delivery] = true end
  for i = 1, #taken, 2 do
    local delivery, holder = taken[i], taken[i + 1]
    local mine = holder == me or string.sub(holder, 1, #me + 1) == me .. '.'
    if mine and not hand[delivery] then giveBack(delivery, holder, true) end
  end
  return ''
end)

-- A sign of life: given { length, tag }; then what the process says of itself. Answers for how long
-- nothing is claimed, whether the tag is the caller's alone, and whether the caller was known.
define('beat', function()
  call('ZADD', P .. '/alive', steady + given.length, me)
  local known = call('HEXISTS', P .. '/processes', me)
  call('HSET', P .. '/processes', me, ARGV[5])
  call('ZREM', P .. '/dead', me)
  call('HSETNX', P .. '/tags', given.tag, me)
  call('HSET', P .. '/tag-of', me, given.tag)
  if call('EXISTS', P .. '/full/' .. me) == 1 then call('PEXPIRE', P .. '/full/' .. me, 600000) end
  local mine = call('HGET', P .. '/tags', given.tag) == me and 1 or 0
  return { math.max(0, recoveryUntil() - steady), mine, known }
end)

-- A clock that was set back would keep a lease for ever.
local function clampTo(most)
  for _, set in ipairs({ '/leases', '/alive' }) do
    for _, member in ipairs(call('ZRANGEBYSCORE', P .. set, '(' .. (most + given.length), '+inf', 'LIMIT', 0, 1000)) do
      call('ZADD', P .. set, most, member)
    end
  end
end

local function bury(process)
  local taken = call('HGETALL', P .. '/taken')
  for i = 1, #taken, 2 do
    if taken[i + 1] == process or taken[i + 1] == process .. '.0' then giveBack(taken[i], taken[i + 1]) end
  end
  local tag = call('HGET', P .. '/tag-of', process)
  if tag then call('HDEL', P .. '/tags', tag) end
  call('HDEL', P .. '/tag-of', process)
  call('ZREM', P .. '/alive', process)
  call('UNLINK', P .. '/full/' .. process)
end

local function forgetProcess(process)
  call('HDEL', P .. '/processes', process)
  call('ZREM', P .. '/dead', process)
end

-- It stays in the list for an hour, so that admins see what they have lost.
local function remember(process)
  local entry = call('HGET', P .. '/processes', process)
  if not entry then return end
  call('HSET', P .. '/processes', process, (string.gsub(entry, '"leases":%d+', '"leases":0', 1)))
  call('ZADD', P .. '/dead', steady, process)
end

-- Somebody knows that they are gone: what they had lapses now.
local function cutShort(processes)
  local leases = #processes > 0 and call('ZRANGE', P .. '/leases', 0, -1) or {}
  for _, process in ipairs(processes) do
    if call('ZSCORE', P .. '/alive', process) then call('ZADD', P .. '/alive', steady, process) end
    for _, lease in ipairs(leases) do
      if string.sub(lease, 1, #process + 1) == process .. '.' then call('ZADD', P .. '/leases', steady, lease) end
    end
  end
end

local function isTurn()
  if given.leaving then return false end
  local next = tonumber(call('GET', P .. '/chores') or 0)
  if next > steady and next <= steady + given.chores then return false end
  call('SET', P .. '/chores', steady + given.chores)
  return true
end

-- Ends leases that lapsed, and processes of which nothing was heard for a whole lease; `leaving` is
-- the caller's own farewell. Given { length, leaving, or gone = those that somebody knows to be, and
-- chores = how often they are done }. Answers whether it is the caller's turn to do what must be
-- done only once.
define('bury', function()
  clampTo(steady + given.length)
  cutShort(given.leaving and { me } or given.gone)
  lapse()
  local dead = {}
  if given.leaving then
    dead = { me }
  elseif recoveryUntil() <= steady then
    dead = call('ZRANGEBYSCORE', P .. '/alive', '-inf', steady, 'LIMIT', 0, 10)
  end
  for _, process in ipairs(dead) do
    if given.leaving then
      bury(process)
      forgetProcess(process)
    elseif process ~= me then
      bury(process)
      remember(process)
    end
  end
  local past = call('ZRANGEBYSCORE', P .. '/dead', '-inf', steady - 3600000, 'LIMIT', 0, 10)
  for _, process in ipairs(past) do forgetProcess(process) end
  return isTurn() and 1 or 0
end)
