-- uses: keys records jobs lanes acts settling leases took
-- After BullMQ has finished or delayed the job: what became of its recipients. Given { id, n, lane,
-- lease, at, results = { { r, e, no, tried, due, re } }, whole, last, exp, warn, never, to, fact,
-- after }, and to draw the next from the same lane { next = lease }.

local id, n, lane = given.id, given.n, given.lane
local delivery = id .. '-' .. n
local d = readDelivery(id, n)
if given.fact and (d or call('EXISTS', messageKey(id)) == 1) then addFact(id, given.fact) end

local holder = call('HGET', P .. '/taken', delivery)
local lapsed = holder and holder ~= given.lease and holder ~= me .. '.0'
if holder and not lapsed then letGo(delivery, holder, d) end

-- Where somebody else has it by now, only what ends counts.
local function writeResults()
  local ends, ended = 0, 0
  for _, each in ipairs(given.results) do
    local waits = d and includes(d.r, each.r)
    if each.e then
      ends = ends + 1
      if waits then
        ended = ended + 1
        if lapsed then count('sending', -1) end
        endRecipient(id, each.r, n, d, { e = each.e, at = given.at, no = each.no, tried = each.tried, re = each.re })
      end
    elseif waits and not lapsed then
      local row = readRecipient(id, each.r, n, d)
      row.a = row.a + each.tried
      row.due = each.due or row.due
      row.re = each.re or row.re
      writeRecipient(id, each.r, row)
    end
  end
  return ends, ended
end

local function goOn()
  local pending = d.pend
  d.by, d.pend = nil, nil
  d.to = given.to or d.to
  d.due = earliestDue(id, n, d)
  d.exp = given.exp or d.exp
  d.warn = given.warn or d.warn
  if given.never then d.warn = nil end
  if given.whole then d.last = given.last end
  settleDown(id, n, d, true)
  applyPending(id, n, pending)
  if given.to then place(laneOf(given.to)) end
end

if d then
  local ends, ended = writeResults()
  if given.after and (ended > 0 or ends == 0) then
    call('SET', P .. '/after/' .. given.after, 1, 'PX', 10000)
  end
  if #d.r == 0 then
    endDelivery(id, n)
    -- Its lock was lost, so BullMQ has left it.
    if call('EXISTS', inLane(lane, delivery)) == 1 then dropJob(lane, delivery) end
    if d.s == HELD or d.s == REFUSED then markFree(id, n, d) end
  elseif lapsed then
    writeDelivery(id, n, d)
  else
    goOn()
  end
end

local next = ''
if given.next then next = took(lane, given.next) end
place(lane)
return answer(next)
