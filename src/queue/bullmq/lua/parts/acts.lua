-- Acts of operators on one delivery, or on some of its recipients. One that is under way keeps the
-- act until its attempt has ended.

local function asAddress(address)
  return address['local'] .. '@' .. address.domain
end

local function tellCancelled(id, n, r, d, wish)
  local m = cjson.decode(call('HGET', messageKey(id), 'm'))
  local sender = m.env.sender
  told[#told + 1] = cjson.encode({
    kind = 'cancelled', at = now, message = id, n = n, acceptedAt = m.at, from = sender and asAddress(sender) or '',
    recipient = asAddress(m.env.recipients[r + 1].address), to = d.to, q = d.q,
    who = wish.who, why = wish.why,
  })
end

local function addAct(id, n, wish)
  addFact(id, cjson.encode({
    kind = 'act', at = now, act = wish.act, delivery = id .. '-' .. n, who = wish.who, why = wish.why,
  }))
end

-- Gives some of its recipients a delivery of their own, so that an act reaches them alone.
local function splitOff(id, n, d, chosen)
  if #chosen >= #d.r then return n, d end
  if d.one then call('HSET', messageKey(id), 'last', '1', 'live', '1') end
  d.one = nil
  local part = cjson.decode(cjson.encode(d))
  part.r, part.pend = {}, nil
  local number = call('HINCRBY', messageKey(id), 'last', '1')
  call('HINCRBY', messageKey(id), 'live', '1')
  for _, r in ipairs(chosen) do
    local row = readRecipient(id, r, n, d)
    row.d = number
    writeRecipient(id, r, part, row)
    part.r[#part.r + 1] = r
    exclude(d.r, r)
  end
  if d.s == HELD then
    call('SADD', P .. '/held/' .. d.scope, id .. '-' .. number)
    setAge('h', d, id .. '-' .. number, true)
  end
  if d.s == REFUSED then call('SADD', P .. '/refused', id .. '-' .. number) end
  d.by = nil
  writeDelivery(id, n, d)
  return number, part
end

local function holdDelivery(id, n, d, scope, since)
  markHeld(id, n, d, scope, holdOf(scope), since)
  dropJob(laneOf(d.to), id .. '-' .. n)
end

-- Written as held, and as the act of whoever placed the hold.
local function holdNow(id, n, d, scope)
  d.by = nil
  holdDelivery(id, n, d, scope)
  writeDelivery(id, n, d)
  setAlarm(id, n, d)
  addAct(id, n, { act = 'hold', who = d.hold.who, why = d.hold.why })
end

-- Another hold lies on it as well, and takes over.
local function changeHold(id, n, d, scope)
  local since = d.hold.at
  call('SREM', P .. '/held/' .. d.scope, id .. '-' .. n)
  countHeld(-#d.r)
  holdDelivery(id, n, d, scope, since)
end

local DO = {
  hold = function(id, n, d, wish)
    -- On top of a hold that stands: it stays when that is gone.
    markFree(id, n, d)
    markHeld(id, n, d, 'ids', wish)
    dropJob(laneOf(d.to), id .. '-' .. n)
  end,
  release = function(id, n, d)
    local scope = standingScope(d)
    if scope then return changeHold(id, n, d, scope) end
    markFree(id, n, d)
    d.due = earliestDue(id, n, d)
    schedule(laneOf(d.to), id .. '-' .. n, d)
  end,
  retry = function(id, n, d, wish)
    for _, r in ipairs(wish.r) do
      local row = readRecipient(id, r, n, d)
      row.due = now
      writeRecipient(id, r, d, row)
    end
    d.due = now
    -- What an operator wants tried now does not wait for the lane's trouble to end.
    call('HDEL', P .. '/suspended', laneOf(d.to))
    schedule(laneOf(d.to), id .. '-' .. n, d)
  end,
  refuse = function(id, n, d, wish)
    markFree(id, n, d)
    d.s, d.scope, d.hold = REFUSED, 'refuse', { who = wish.who, why = wish.why }
    call('SADD', P .. '/refused', id .. '-' .. n)
    dropJob(laneOf(d.to), id .. '-' .. n)
    wake(laneOf(d.to), now)
  end,
  cancel = function(id, n, d, wish)
    for _, r in ipairs(wish.r) do
      endRecipient(id, r, n, d, { e = 'cancelled', at = now })
      tellCancelled(id, n, r, d, wish)
    end
    markFree(id, n, d)
    dropJob(laneOf(d.to), id .. '-' .. n)
  end,
}

local function applies(act, d)
  if act == 'hold' then return d.s == nil or d.s == HELD and d.scope ~= 'ids' end
  if act == 'retry' then return d.s == nil end
  if act == 'release' then return d.s == HELD end
  if act == 'refuse' then return d.s ~= REFUSED end
  return true
end

local function apply(id, n, d, wish)
  local number, part = splitOff(id, n, d, wish.r)
  part.by = nil
  local lane = laneOf(part.to)
  DO[wish.act](id, number, part, wish)
  if #part.r == 0 then
    endDelivery(id, number, part)
  else
    writeDelivery(id, number, part)
    setAlarm(id, number, part)
  end
  place(lane)
  return number
end

-- Those of the wish's recipients that still wait in the delivery.
local function left(wish, d)
  local chosen = {}
  for _, r in ipairs(d.r) do
    if includes(wish.r, r) then chosen[#chosen + 1] = r end
  end
  return chosen
end

-- The hold that keeps mail from going on, which these acts mean it to.
local function keeperOf(act, d)
  if act ~= 'release' and act ~= 'retry' or d.s == REFUSED then return nil end
  return standingScope(d)
end

local function isHoldPending(d)
  for _, wish in ipairs(d.pend or {}) do
    if wish.act == 'hold' then return true end
  end
  return false
end

-- "done", "busy" when it waits for the attempt to end, "kept" by a hold that stands, or "nothing"; how many
-- it reached; and the hold.
local function act(id, n, wish)
  local d = readDelivery(id, n)
  if d == nil then return 'nothing' end
  wish.r = left(wish, d)
  local reached = #wish.r
  if reached == 0 then return 'nothing' end
  local scope = keeperOf(wish.act, d)
  if scope then
    if wish.act == 'release' and d.scope == 'ids' then
      addAct(id, n, wish)
      apply(id, n, d, wish)
    end
    return 'kept', reached, scope
  end
  if holderOf(id .. '-' .. n) then
    if wish.act == 'release' and not isHoldPending(d) then return 'nothing' end
    d.pend = d.pend or {}
    d.pend[#d.pend + 1] = wish
    writeDelivery(id, n, d)
    addAct(id, n, wish)
    return 'busy', reached
  end
  if not applies(wish.act, d) then return 'nothing' end
  addAct(id, n, wish)
  apply(id, n, d, wish)
  return 'done', reached
end

-- Acts that waited for the attempt, on the recipients that it has left: also where an act before has
-- given some of them a delivery of their own.
local function applyPending(id, n, pending)
  local parts = { n }
  for _, wish in ipairs(pending or {}) do
    for at = 1, #parts do
      local d = readDelivery(id, parts[at])
      local chosen = d and left(wish, d) or {}
      if #chosen > 0 and applies(wish.act, d) then
        local its = { act = wish.act, who = wish.who, why = wish.why, r = chosen }
        local number = apply(id, parts[at], d, its)
        if number ~= parts[at] then parts[#parts + 1] = number end
      end
    end
  end
end
