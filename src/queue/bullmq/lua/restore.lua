-- Recipients that have ended leave their deliveries; what is left of these waits as a hold or its time says.
local function goOnFrom(each)
  local id, n = given.id, each.n
  local d = readDelivery(id, n)
  for _, r in ipairs(given.ended) do exclude(d.r, r) end
  if #d.r == 0 then return endDelivery(id, n, d) end
  count(d, #d.r)
  settleDown(id, n, d)
  place(laneOf(d.to))
end

-- A message whose record was lost, from the object that outlived it: given as to `accept`, and { ended =
-- recipients whose rows are among the fields, who, dry }. What Redis knows of stays as it is. Answers
-- what became of it.
define('restore', function()
  local id, key = given.id, messageKey(given.id)
  if call('HEXISTS', key, 'm') == 1 then return 'known' end
  if call('HEXISTS', P .. '/storing', id) == 1 then return 'arriving' end
  if call('SISMEMBER', P .. '/gone', id) == 1 then return 'leaving' end
  if given.alias and call('EXISTS', P .. '/alias/' .. given.alias) == 1 then
    if not given.dry then call('SADD', P .. '/gone', id) end
    return 'leaving'
  end
  if given.dry then return 'restored' end
  inParts('HSET', key, ARGV, 6)
  if given.once then
    call('HSET', P .. '/once', given.once.key, given.once['until'])
    call('ZADD', P .. '/once-until', given.once['until'], given.once.key)
  end
  writeIndexes(id)
  addFact(id, cjson.encode({ kind = 'restored', at = now, who = given.who }))
  for _, each in ipairs(given.deliveries) do goOnFrom(each) end
  return 'restored'
end, {})
