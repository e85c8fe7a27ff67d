-- Writes that the steps of a call have in common are put together and made once, at its end: what was said last
-- counts, and whoever reads within the call is told it.
local ranks, holders, sums, unlinked, facts

local function beginWrites()
  ranks, holders, sums, unlinked, facts = {}, {}, {}, {}, {}
end

-- In a sorted set; `false` as score when it leaves.
local function rank(set, member, score)
  local members = ranks[set]
  if not members then
    members = {}
    ranks[set] = members
  end
  members[member] = score
end

local function isLive(id)
  local score = ranks['/live'] and ranks['/live'][id]
  if score ~= nil then return score ~= false end
  return call('ZSCORE', P .. '/live', id) ~= false
end

-- Whoever has the delivery in hand: see leases.
local function holderOf(delivery)
  local holder = holders[delivery]
  if holder ~= nil then return holder end
  return call('HGET', P .. '/taken', delivery)
end

-- `false` when nobody has it.
local function setHolder(delivery, holder)
  holders[delivery] = holder
end

-- Recipients of a queue that wait for a destination, by both names.
local function count(d, by)
  local what = d.q .. ' ' .. d.to
  sums[what] = (sums[what] or 0) + by
end

local function unlink(key)
  unlinked[#unlinked + 1] = key
end

-- Something has happened to the message: the text of what, or nothing when it was accepted, which its own
-- field tells.
local function addFact(id, text)
  facts[#facts + 1] = { id, text }
end

-- Of one command; it is even.
local WORDS = 1000

local function inParts(command, key, words, from)
  for at = from or 1, #words, WORDS do
    call(command, key, unpack(words, at, math.min(at + WORDS - 1, #words)))
  end
end

-- Members of a sorted set, or fields of a hash: those that have a value, and those that leave.
local function writeEach(key, values, put, drop)
  local kept, gone = {}, {}
  for member, value in pairs(values) do
    if not value then
      gone[#gone + 1] = member
    elseif put == 'ZADD' then
      kept[#kept + 1], kept[#kept + 2] = value, member
    else
      kept[#kept + 1], kept[#kept + 2] = member, value
    end
  end
  inParts(put, key, kept)
  inParts(drop, key, gone)
end

local function writeSums()
  for what, by in pairs(sums) do
    if by ~= 0 and call('HINCRBY', P .. '/count', what, string.format('%.0f', by)) <= 0 then
      call('HDEL', P .. '/count', what)
    end
  end
end

-- All facts of a call are one entry of the order over all, which names their messages; each is kept with its
-- message as f<time>.<number>.<place>, after the entry and its place there. The stream gives its ids by the
-- server's clock, and none twice.
local function writeFacts()
  if #facts == 0 then return end
  local names = {}
  for at, fact in ipairs(facts) do names[at] = fact[1] .. (fact[2] and '.' or '+') end
  local entry = call('XADD', P .. '/changes', '*', 'm', table.concat(names))
  local time, number = string.match(entry, '^(%d+)-(%d+)$')
  for at, fact in ipairs(facts) do
    if fact[2] then
      call('HSET', messageKey(fact[1]), 'f' .. time .. '.' .. number .. '.' .. at - 1, fact[2])
    end
  end
end

local function endWrites()
  writeFacts()
  for set, members in pairs(ranks) do writeEach(P .. set, members, 'ZADD', 'ZREM') end
  writeEach(P .. '/taken', holders, 'HSET', 'HDEL')
  writeSums()
  for at = 1, #unlinked, WORDS do call('UNLINK', unpack(unlinked, at, math.min(at + WORDS - 1, #unlinked))) end
end

-- The functions by name.
local bodies = {}

-- Makes a function of the library. Those that take mail in are refused when the server's memory is
-- full; all others go on, because they bring to an end what was taken.
local function define(name, body, flags)
  bodies[name] = body
  redis.register_function({
    function_name = 'NAME_' .. name,
    callback = function(keys, args)
      begin(keys, args)
      beginWrites()
      local ok, value = pcall(body)
      endWrites()
      if not ok then error(value, 0) end
      return { value, woken, told }
    end,
    flags = flags or { 'allow-oom' },
  })
end
