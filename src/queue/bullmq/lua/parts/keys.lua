-- What every function begins with. KEYS[1] is the prefix: its braces keep all keys in one slot of a
-- cluster. ARGV: the wall clock, the clock that leases are measured by (both in milliseconds), the
-- calling process, a JSON object; then raw texts, where a function takes any.
--
-- In a MULTI, BullMQ's own scripts move jobs first, and ours comes last and sets the record straight:
-- the message's hash is the truth, a job is only a pointer to it.
local call, P, ARGV, now, steady, me, given
-- What the caller hears beside its answer: lanes that may be claimed, as "time lane", and events.
local woken, told
-- Whether any standing hold lies on anything; asked once a call.
local anyHold

local function begin(keys, args)
  call, P, ARGV = redis.call, keys[1], args
  now, steady, me = tonumber(args[1]), tonumber(args[2]), args[3]
  given = cjson.decode(args[4])
  woken, told, anyHold = {}, {}, nil
end

-- Makes a function of the library. Those that take mail in are refused when the server's memory is
-- full; all others go on, because they bring to an end what was taken.
local function define(name, body, flags)
  redis.register_function({
    function_name = 'NAME_' .. name,
    callback = function(keys, args)
      begin(keys, args)
      return { body(), woken, told }
    end,
    flags = flags or { 'allow-oom' },
  })
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
