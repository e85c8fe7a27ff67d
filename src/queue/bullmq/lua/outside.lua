-- What was being stored and is not going to be accepted: given { id }.
define('abandon', function()
  abandon(given.id)
  return ''
end)

-- Rows of its recipients that have ended, as "field", "row", …
local function endedRows(id)
  local rows, fields = {}, call('HGETALL', messageKey(id))
  for i = 1, #fields, 2 do
    if string.find(fields[i], '^r%d') and cjson.decode(fields[i + 1]).e then
      rows[#rows + 1] = fields[i]
      rows[#rows + 1] = fields[i + 1]
    end
  end
  return rows
end

-- What is to be done where content lives, for one process at a time: given { turn, count }. Answers
-- messages whose content goes, and those of which a part has ended: { id, mark, rows }.
define('owed', function()
  local keeper = call('GET', P .. '/keeper')
  if keeper and keeper ~= me then return { {}, {} } end
  call('SET', P .. '/keeper', me, 'PX', given.turn)
  local partly = {}
  local found = call('HRANDFIELD', P .. '/partly', given.count, 'WITHVALUES')
  for i = 1, #found, 2 do
    partly[#partly + 1] = { found[i], found[i + 1], endedRows(found[i]) }
  end
  return { call('SRANDMEMBER', P .. '/gone', given.count), partly }
end)

-- It was done: given { gone, noted = { { id, mark } } }. Of what has ended meanwhile a note is owed anew.
define('kept', function()
  for _, id in ipairs(given.gone) do call('SREM', P .. '/gone', id) end
  for _, each in ipairs(given.noted) do
    if call('HGET', P .. '/partly', each[1]) == each[2] then call('HDEL', P .. '/partly', each[1]) end
  end
  return ''
end)
