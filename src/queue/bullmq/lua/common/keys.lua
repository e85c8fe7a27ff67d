-- Every script begins with this. KEYS[1] is the prefix: its braces keep all keys in one slot of a
-- cluster. ARGV: the wall clock, the clock that leases are measured by (both in milliseconds), the
-- calling process, a JSON object; then raw texts, where a script takes any.
--
-- In a MULTI, BullMQ's own scripts move jobs first, and ours comes last and sets the record straight:
-- the message's hash is the truth, a job is only a pointer to it.
local call = redis.call
local P = KEYS[1]
local now = tonumber(ARGV[1])
local steady = tonumber(ARGV[2])
local me = ARGV[3]
local given = cjson.decode(ARGV[4])

-- What the caller hears beside its answer: lanes that may be claimed, as "time lane", and events.
local woken, told = {}, {}

local function answer(value)
  return { value, woken, told }
end

-- A lane is named for its destination; ":" divides BullMQ's keys, so it is written otherwise.
local function laneOf(destination)
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

local function splitDelivery(delivery)
  local id, n = string.match(delivery, '^(.*)%-(%d+)$')
  return id, tonumber(n)
end
