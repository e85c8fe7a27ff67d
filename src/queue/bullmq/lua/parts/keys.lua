-- What every function begins with. KEYS[1] is the prefix: its braces keep all keys in one slot of a
-- cluster. ARGV: the wall clock, the clock that leases are measured by (both in milliseconds), the
-- calling process, a JSON object; then raw texts, where a function takes any.
--
-- In a step, BullMQ's own scripts move jobs first, and ours comes last and sets the record straight: the
-- message's hash is the truth, a job is only a pointer to it.
local call, P, ARGV, now, steady, me, given
-- What the caller hears beside its answer: lanes that may be claimed, as "time lane", and events.
local woken, told
-- What does not change within a call is asked once: whether any standing hold lies on anything, any lane is
-- suspended, or any lease has lapsed; where lanes stand; and what has fallen due was promoted.
local anyHold, anySuspended, anyLapsed, places, promoted
-- What BullMQ's script has just done: moved this job to active, and ended the one it was told of.
local moved, finished

local function begin(keys, args)
  call, P, ARGV = redis.call, keys[1], args
  now, steady, me = tonumber(args[1]), tonumber(args[2]), args[3]
  given = cjson.decode(args[4])
  woken, told, places, promoted = {}, {}, {}, {}
  anyHold, anySuspended, anyLapsed, moved, finished = nil, nil, nil, nil, nil
end

-- A lane is named for its destination; ":" divides BullMQ's keys, so it is written otherwise.
local function laneOf(destination)
  if not string.find(destination, '[%%:]') then return destination end
  return (string.gsub(destination, '[%%:]', { ['%'] = '%25', [':'] = '%3A' }))
end

local function destinationOf(lane)
  return (string.gsub(lane, '%%(%x%x)', { ['25'] = '%', ['3A'] = ':' }))
end

local function inLane(lane, name)
  return P .. ':' .. lane .. ':' .. name
end

local function messageKey(id)
  return P .. '/m/' .. id
end

-- Ids of messages have one length.
local ID = 14

local function splitDelivery(delivery)
  return string.sub(delivery, 1, ID), tonumber(string.sub(delivery, ID + 2))
end
