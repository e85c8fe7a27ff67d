-- Small state beside the mail: a hash with "until value" for each key, until 0 where it is for ever; its keys in
-- order, and those that end by their time.

-- As the port says: a new key beyond is not taken.
local MOST_KEYS = 100000

local function readState(key)
  local text = call('HGET', P .. '/state', key)
  if not text then return nil end
  local limit, value = string.match(text, '^(%d+) (.*)$')
  if limit ~= '0' and tonumber(limit) <= now then return nil end
  return value, limit
end

local function writeState(key, value, limit)
  if call('HSET', P .. '/state', key, limit .. ' ' .. value) == 1 then
    if call('HLEN', P .. '/state') > MOST_KEYS then
      call('HDEL', P .. '/state', key)
      return { 0 }
    end
    rank('/state-keys', key, '0')
  end
  rank('/state-until', key, limit ~= '0' and limit)
  return { 1, value }
end

local function dropState(key)
  rank('/state-keys', key, false)
  rank('/state-until', key, false)
  return call('HDEL', P .. '/state', key) == 1
end

local function limitOf(entry)
  return entry['until'] and string.format('%.0f', entry['until']) or '0'
end

local APPLY = {
  get = function(_, value)
    return value and { 1, value } or { 0 }
  end,
  put = function(entry)
    return writeState(entry.key, entry.value, limitOf(entry))
  end,
  swap = function(entry, value)
    if value ~= entry.from then return { 0, value } end
    if entry.to then return writeState(entry.key, entry.to, limitOf(entry)) end
    dropState(entry.key)
    return { 1 }
  end,
  add = function(entry, value, limit)
    if not value then return writeState(entry.key, string.format('%.0f', entry.by), limitOf(entry)) end
    local number = string.match(value, '^-?%d+$') and #value <= 16 and tonumber(value)
    local sum = number and number + entry.by
    if not sum or math.abs(sum) > 9007199254740991 then return { 0, value } end
    return writeState(entry.key, string.format('%.0f', sum), limit)
  end,
  drop = function(entry, value)
    return { dropState(entry.key) and value and 1 or 0 }
  end,
}

-- Done in order; answers for each whether it was, and what is there now.
local function applyEntries(entries)
  local answers = {}
  for at, entry in ipairs(entries) do answers[at] = APPLY[entry.kind](entry, readState(entry.key)) end
  return answers
end
