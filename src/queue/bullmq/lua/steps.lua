-- BullMQ answers with the job that it has moved to active, its fields and its id; with zeros when there is none;
-- and below zero when it has done nothing.
local function runScript(name, shared, words, from, to)
  local keys, own = shared.keys, shared.own
  if own then
    keys[own], from = words[from], from + 1
  end
  local reply = BULLMQ[name](keys, { unpack(words, from, to) })
  local answered = type(reply) == 'table'
  moved = answered and type(reply[1]) == 'table' and reply[2] or nil
  finished = name == 'moveToFinished' and (answered or reply == 0)
  return 0
end

local function runBody(body, words, from, to)
  given, ARGV = cjson.decode(words[from]), { words[1], words[2], words[3], '' }
  for at = from + 1, to do ARGV[#ARGV + 1] = words[at] end
  return body()
end

local function messageOf(failure)
  return type(failure) == 'table' and failure.err or tostring(failure)
end

-- What many have asked for, one after the other, and none of it stops another. Given { keys = { keys, own = which of
-- them comes first among the words }, list = { name, count of its words, which keys for a script of BullMQ } };
-- then the words, the first for a function of ours is what it is given. Answers what each answers, and
-- what went wrong as { index, message }.
define('steps', function()
  local entries, keys, words = given.list, given.keys, ARGV
  local at, values, failures = 5, {}, {}
  for i, entry in ipairs(entries) do
    local name, to, which = entry[1], at + entry[2] - 1, entry[3]
    local ok, value
    if which then
      ok, value = pcall(runScript, name, keys[which], words, at, to)
    else
      ok, value = pcall(runBody, bodies[name], words, at, to)
      moved, finished = nil, nil
    end
    values[i] = ok and value or 0
    if not ok then failures[#failures + 1] = { i, messageOf(value) } end
    at = to + 1
  end
  return { values, failures }
end, {})
