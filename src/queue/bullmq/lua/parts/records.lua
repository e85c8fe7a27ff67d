-- Records: what is known of a message, in one hash. Field m is what never changes, { at, size, env,
-- told }; last and live count its deliveries where there were ever more than one. d<n> is a delivery
-- that has not ended:
--   { to, q, p, due, exp, warn, r = recipients that wait there, t = some of them have rows, one = the
--     message's only one, k = chunks of content that does not ride along, 0 where it lives outside of
--     Redis, by = process that has it in memory, s = HELD or REFUSED, hold, scope, hf = milliseconds by which
--     holds have moved its times, last, pend }
-- r<n> is a recipient: { d = delivery, a = attempts, due, re = reply, e = end, at, no = notice }, absent
-- before its first attempt; f<time>.<number>.<place> a fact. Whether a delivery is being sent is told by `taken`.
local HELD, REFUSED = 2, 3

local function includes(list, r)
  for _, each in ipairs(list) do
    if each == r then return true end
  end
  return false
end

local function exclude(list, r)
  for at, each in ipairs(list) do
    if each == r then return table.remove(list, at) end
  end
end

-- And its text, as it is written.
local function readDelivery(id, n)
  local text = call('HGET', messageKey(id), 'd' .. n)
  if not text then return nil end
  return cjson.decode(text), text
end

local function writeDelivery(id, n, d)
  call('HSET', messageKey(id), 'd' .. n, cjson.encode(d))
end

local function readRecipient(id, r, n, d)
  local text = d.t and call('HGET', messageKey(id), 'r' .. r)
  return text and cjson.decode(text) or { d = n, a = 0, due = d.due }
end

local function writeRecipient(id, r, d, row)
  d.t = true
  call('HSET', messageKey(id), 'r' .. r, cjson.encode(row))
end

local function countHeld(by)
  if by ~= 0 then call('INCRBY', P .. '/held', by) end
end

-- Under its queue in order of age: "w" what goes on, "h" what is held; `is` false when it is that no more.
local function setAge(mark, d, delivery, is)
  rank('/age', mark .. d.q .. '\0' .. delivery, is and '0')
end

local function setAlarm(id, n, d)
  local member = id .. '-' .. n
  setAge('w', d, member, d.s == nil)
  rank('/alarm', member, d.s == nil and math.min(d.exp, d.warn or d.exp))
end

local function earliestDue(id, n, d)
  local due = math.huge
  for _, r in ipairs(d.r) do due = math.min(due, readRecipient(id, r, n, d).due) end
  return due
end

local function isAnyHold()
  if anyHold == nil then anyHold = call('HLEN', P .. '/holds') > 0 end
  return anyHold
end

-- The standing hold that lies on such mail, the widest first.
local function standingScope(d)
  if not isAnyHold() then return nil end
  for _, scope in ipairs({ 'all', 'destination:' .. d.to, 'queue:' .. d.q }) do
    if call('HEXISTS', P .. '/holds', scope) == 1 then return scope end
  end
  return nil
end

local function holdOf(scope)
  return cjson.decode(call('HGET', P .. '/holds', scope))
end

-- Whoever holds it, why and since when is kept with it.
local function markHeld(id, n, d, scope, by, since)
  d.s, d.scope, d.hold = HELD, scope, { who = by.who, why = by.why, at = since or now }
  call('SADD', P .. '/held/' .. scope, id .. '-' .. n)
  setAge('h', d, id .. '-' .. n, true)
  call('SADD', P .. '/scopes', scope)
  countHeld(#d.r)
end

local HOUR = 3600000

-- What it was held counts as no time that it had, and it has an hour left to be tried in, or its whole
-- lifetime where that is shorter.
local function moveTimes(id, d)
  local at = cjson.decode(call('HGET', messageKey(id), 'm')).at
  local lifetime = math.max(0, d.exp - at - (d.hf or 0))
  local more = math.max(0, now - (d.hold.at or now), now + math.min(HOUR, lifetime) - d.exp)
  d.exp, d.hf = d.exp + more, (d.hf or 0) + more
  if d.warn then d.warn = d.warn + more end
end

local function markFree(id, n, d)
  if d.s == HELD then
    call('SREM', P .. '/held/' .. d.scope, id .. '-' .. n)
    setAge('h', d, id .. '-' .. n, false)
    countHeld(-#d.r)
    if #d.r > 0 then moveTimes(id, d) end
    -- Whoever has it in memory knows of other times.
    d.by = nil
  elseif d.s == REFUSED then
    call('SREM', P .. '/refused', id .. '-' .. n)
  end
  d.s, d.scope, d.hold = nil, nil, nil
end

-- Content that rides along goes with the last delivery; what is kept in pieces has a count of them.
local function dropContent(id, chunks)
  if chunks == nil then return unlink(P .. '/c/' .. id) end
  -- It lives elsewhere: whoever can remove it there is told.
  if chunks == 0 then
    call('HDEL', P .. '/partly', id)
    return call('SADD', P .. '/gone', id)
  end
  for i = 0, chunks - 1 do unlink(P .. '/c/' .. id .. '/' .. i) end
end

-- Nobody is storing it elsewhere any more: unless it was accepted and waits, its content goes.
local function abandon(id)
  call('HDEL', P .. '/storing', id)
  if not isLive(id) then call('SADD', P .. '/gone', id) end
end

-- How a message is found again: given { alias, to, from }.
local function writeIndexes(id)
  if given.alias then call('SET', P .. '/alias/' .. given.alias, id) end
  rank('/live', id, '0')
  for _, address in ipairs(given.to) do rank('/to', address .. '\0' .. id, '0') end
  rank('/from', given.from .. '\0' .. id, '0')
end

local function endDelivery(id, n, d)
  local key = messageKey(id)
  call('HDEL', key, 'd' .. n)
  rank('/alarm', id .. '-' .. n, false)
  setAge('w', d, id .. '-' .. n, false)
  if not d.one and call('HINCRBY', key, 'live', '-1') > 0 then return end
  rank('/live', id, false)
  rank('/done', id, '0')
  dropContent(id, d.k)
end

-- One recipient has come to its end, and waits in its delivery no more.
local function endRecipient(id, r, n, d, fields)
  local row = readRecipient(id, r, n, d)
  row.e, row.at, row.no = fields.e, fields.at, fields.no
  row.a = row.a + (fields.tried or 0)
  row.re = fields.re or row.re
  row.to, row.q, row.due = d.to, d.q, nil
  writeRecipient(id, r, d, row)
  exclude(d.r, r)
  count(d, -1)
  if d.s == HELD then countHeld(-1) end
  -- Where its content lives it is to be noted, while others of the message go on.
  if d.k == 0 and not (d.one and #d.r == 0) then call('HINCRBY', P .. '/partly', id, 1) end
end
