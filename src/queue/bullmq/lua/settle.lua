-- What became of the recipients. Where somebody else has the delivery by now only what ends counts;
-- answers how many ends there were, and how many of them still waited for one.
local function writeResults(id, n, d, lapsed)
  local ends, ended = 0, 0
  for _, each in ipairs(given.results) do
    local waits = includes(d.r, each.r)
    if each.e then
      ends = ends + 1
      if waits then
        ended = ended + 1
        endRecipient(id, each.r, n, d, { e = each.e, at = given.at, no = each.no, tried = each.tried, re = each.re })
      end
    elseif waits and not lapsed then
      local row = readRecipient(id, each.r, n, d)
      row.a = row.a + each.tried
      row.due = each.due or row.due
      row.re = each.re or row.re
      writeRecipient(id, each.r, d, row)
    end
  end
  return ends, ended
end

local function goOn(id, n, d)
  local pending = d.pend
  d.by, d.pend = nil, nil
  d.due = earliestDue(id, n, d)
  -- It leaves with the recipients that it still has.
  if given.to then
    count(d, -#d.r)
    d.to = given.to
    count(d, #d.r)
  end
  d.exp = given.exp or d.exp
  d.warn = given.warn or d.warn
  if given.never then d.warn = nil end
  if given.whole then d.last = given.last end
  settleDown(id, n, d, true)
  applyPending(id, n, pending)
  place(laneOf(d.to))
end

local function settle(id, n, lane, d, lapsed)
  local ends, ended = writeResults(id, n, d, lapsed)
  if given.after and (ended > 0 or ends == 0) then
    call('SET', P .. '/after/' .. given.after, 1, 'PX', 10000)
  end
  if #d.r == 0 then
    endDelivery(id, n, d)
    if d.s ~= nil then markFree(id, n, d) end
    -- Its lock was lost, so BullMQ has left it.
    if not finished and call('EXISTS', inLane(lane, id .. '-' .. n)) == 1 then dropJob(lane, id .. '-' .. n) end
  elseif lapsed then
    writeDelivery(id, n, d)
  else
    goOn(id, n, d)
  end
end

-- It was, and its answer was lost: whoever writes it again has the delivery no more.
local function isWritten(id)
  if ARGV[5] == '' then return false end
  for _, text in ipairs(call('HVALS', messageKey(id))) do
    if text == ARGV[5] then return true end
  end
  return false
end

-- After BullMQ has finished or delayed the job: what became of its recipients. Given { id, n, lane,
-- lease, at, results = { { r, e, no, tried, due, re } }, whole, last, exp, warn, never, to, after, also }, and
-- to draw the next from the same lane { next = lease }; then the fact, or an empty text.
define('settle', function()
  local id, n, lane = given.id, given.n, given.lane
  local delivery = id .. '-' .. n
  local d = readDelivery(id, n)
  local holder = holderOf(delivery)
  local lapsed = holder and holder ~= given.lease and holder ~= me .. '.0'
  local free = holder and not lapsed
  local answers = {}
  if free or not isWritten(id) then
    if ARGV[5] ~= '' and (d or call('EXISTS', messageKey(id)) == 1) then
      addFact(id, ARGV[5])
    end
    if free then setHolder(delivery, false) end
    if d then settle(id, n, lane, d, lapsed) end
    if given.also then answers = applyEntries(given.also) end
  end
  local function answer(taken)
    return given.also and { 'also', taken, answers } or taken
  end
  if not given.next then
    if free then dropHand(holder) end
    return answer('')
  end
  -- From hand to hand the lease has no more and no less than it had.
  local same = free and holder == given.next
  local next, taken = took(lane, given.next, same)
  if free and not (taken and same) then dropHand(holder) end
  if taken and not same then addHand(lane, given.next) end
  return answer(next)
end)
