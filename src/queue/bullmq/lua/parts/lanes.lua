-- Lanes: which of them has work to claim, in three indexes by urgency. A score up to now is the
-- lane's turn among those that can be claimed; a later one is when that will be. `place` says for each
-- lane where it stands, as "band score".
local BANDS = 3

local function bandOf(priority)
  if priority < 10 then return 0 end
  return priority < 50 and 1 or 2
end

local function inBand(band)
  return P .. '/due/' .. band
end

local function placeOf(lane)
  local text = places[lane]
  if text == nil then text = call('HGET', P .. '/place', lane) end
  places[lane] = text
  if not text then return nil end
  local band, score = string.match(text, '^(%d) (.*)$')
  return tonumber(band), tonumber(score)
end

local function leavePlace(lane, band)
  if not band then return end
  call('ZREM', inBand(band), lane)
  call('HDEL', P .. '/place', lane)
  places[lane] = false
end

local function setPlace(lane, before, band, score)
  if before and before ~= band then call('ZREM', inBand(before), lane) end
  if not before then call('SADD', P .. '/lanes', lane) end
  local text = string.format('%.17g', score)
  call('ZADD', inBand(band), text, lane)
  places[lane] = band .. ' ' .. text
  call('HSET', P .. '/place', lane, places[lane])
end

-- Turns of the same millisecond are told apart by what is left of a double's bits.
local function turn()
  return now + (call('INCR', P .. '/turn') % FRACTION) / FRACTION
end

local function isAnySuspended()
  if anySuspended == nil then anySuspended = call('EXISTS', P .. '/suspended') == 1 end
  return anySuspended
end

local function suspend(lane, stop)
  call('HSET', P .. '/suspended', lane, cjson.encode(stop))
  anySuspended = true
end

local function suspendedUntil(lane)
  if not isAnySuspended() then return 0 end
  local text = call('HGET', P .. '/suspended', lane)
  if not text then return 0 end
  local time = cjson.decode(text)['until']
  if time > now then return time end
  call('HDEL', P .. '/suspended', lane)
  return 0
end

-- Urgent mail does not wait as long as what was there before: a suspended lane to which it comes is
-- tried after ten seconds.
local SOON = 10000

local function hurry(lane)
  if suspendedUntil(lane) <= now + SOON then return end
  local stop = cjson.decode(call('HGET', P .. '/suspended', lane))
  stop['until'] = now + SOON
  suspend(lane, stop)
end

local function isHeldLane(lane)
  if not isAnyHold() then return false end
  return call('HEXISTS', P .. '/holds', 'all') == 1
    or call('HEXISTS', P .. '/holds', 'destination:' .. destinationOf(lane)) == 1
end

local function idleLeases(lane)
  return tonumber(call('HGET', P .. '/idle', lane) or 0)
end

-- When the first of what waits in the lane is due, beyond so many that others are about to take;
-- and its priority. Nothing when nothing waits.
local function workOf(lane, spoken)
  local prioritized, delayed = inLane(lane, 'prioritized'), inLane(lane, 'delayed')
  local ready = call('ZCARD', prioritized)
  if ready > spoken then
    local first = call('ZRANGE', prioritized, 0, 0, 'WITHSCORES')
    return now, math.floor(tonumber(first[2]) / URGENCY)
  end
  local due = call('ZCOUNT', delayed, '-inf', dueScore())
  local index = ready + due > spoken and 0 or due
  local next = call('ZRANGE', delayed, index, index, 'WITHSCORES')
  if next[1] == nil then return nil end
  local priority = tonumber(call('HGET', inLane(lane, next[1]), 'priority') or 100)
  return math.max(now, math.floor(tonumber(next[2]) / FRACTION)), priority
end

local function wake(lane, at)
  woken[#woken + 1] = string.format('%.0f %s', at, lane)
  call('PUBLISH', P .. '/wake', string.format('%s %.0f %s', me, at, lane))
end

-- Puts the lane where it belongs: to be claimed, later, or nowhere. Whoever may claim it earlier
-- than was known before is woken.
local function place(lane)
  local before, score = placeOf(lane)
  local at, priority = workOf(lane, idleLeases(lane))
  if at == nil or isHeldLane(lane) then return leavePlace(lane, before) end
  at = math.max(at, suspendedUntil(lane))
  local band = bandOf(priority)
  if at > now then
    if before == band and score == at then return end
    setPlace(lane, before, band, at)
    if before == nil or at < score then wake(lane, at) end
  elseif before ~= band or score >= now + 1 then
    setPlace(lane, before, band, turn())
    wake(lane, now)
  end
end

-- A delivery has come into the lane: where the lane stands well enough for it already, it stays.
local function placeFor(lane, d)
  local band, score = placeOf(lane)
  if band and band <= bandOf(d.p) and score <= math.max(now, d.due) then return end
  place(lane)
end

-- When to ask the lane again, now or later; nothing when nothing waits there.
local function idleUntil(lane)
  if isHeldLane(lane) then return nil end
  local at = workOf(lane, 0)
  return at and math.max(at, suspendedUntil(lane))
end

local function asText(time)
  return time and string.format('%.0f', time) or ''
end
