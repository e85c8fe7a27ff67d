local PAGE, EIGHTH = 50, 8
-- Lanes that one call puts where they belong; the next call goes on.
local MOVED = 1000

local function isFull(lane)
  return given.full and call('SISMEMBER', P .. '/full/' .. me, lane) == 1
end

local function refill(one)
  local key, most = inBand(one.band), '(' .. (now + 1)
  one.list = call('ZRANGEBYSCORE', key, one.from, most, 'WITHSCORES', 'LIMIT', one.skipped, PAGE)
  one.at = 1
  return one.list[1] ~= nil
end

-- The lane whose turn it is in the band. Those that cannot be claimed are met here, and go to
-- where they belong; full ones are passed over, and need not be looked at again.
local function head(one)
  while true do
    local lane, score = one.list[one.at], one.list[one.at + 1]
    if lane == nil then
      if not refill(one) then return nil end
    elseif isFull(lane) then
      one.at, one.skipped, one.seen = one.at + 2, one.skipped + 1, score
    else
      promote(lane)
      local at, priority = workOf(lane, idleLeases(lane))
      local fits = at and at <= now and bandOf(priority) == one.band
      if fits and suspendedUntil(lane) <= now and not isHeldLane(lane) then return lane, priority end
      if one.moved == MOVED then return nil end
      place(lane)
      one.at, one.moved = one.at + 2, one.moved + 1
    end
  end
end

local function give(lane, priority, number)
  local id = me .. '.' .. number
  call('ZADD', P .. '/leases', steady + given.length, id)
  call('HSET', P .. '/lease', id, lane)
  addIdle(lane, 1)
  return { id, destinationOf(lane), priority }
end

-- The band to claim from: the most urgent that has something, or once in eight times the next one.
local function choose(bands)
  local eighth = call('INCR', P .. '/claims') % EIGHTH == 0
  local best, lane, priority
  for _, one in ipairs(bands) do
    local its, urgency = head(one)
    if its then
      local second = best ~= nil
      best, lane, priority = one, its, urgency
      if second or not eighth then break end
    end
  end
  return best, lane, priority
end

-- Leases of lanes with due work, most urgent first, round robin; one in eight from a less urgent
-- band. Given { count, length, number = of the lease before the first, from = where each band was
-- left, full = some lanes are full for the caller }. Answers leases { id, lane, priority }, where
-- each band was left, and for how long nothing is claimed at all.
define('claim', function()
  lapse()
  local resumeAt = recoveryUntil()
  if resumeAt > steady or isAnyHold() and call('HEXISTS', P .. '/holds', 'all') == 1 then
    return { {}, given.from, math.max(resumeAt - steady, 0) }
  end
  local bands = {}
  for band = 0, BANDS - 1 do
    local from = given.from[band + 1]
    bands[band + 1] = { band = band, from = from, seen = from, skipped = 0, moved = 0, list = {}, at = 1 }
  end
  local leases = {}
  while #leases < given.count do
    local best, lane, priority = choose(bands)
    if best == nil then break end
    leases[#leases + 1] = give(lane, priority, given.number + #leases + 1)
    -- It goes behind the others, if it has more.
    leavePlace(lane, best.band)
    best.at = best.at + 2
    place(lane)
  end
  local from = {}
  for _, one in ipairs(bands) do from[#from + 1] = one.seen end
  return { leases, from, 0 }
end)

-- A lane that is said to be due and is not finds its place here.
local function isSure(band, lane, score)
  local at, priority = workOf(lane, idleLeases(lane))
  if at and bandOf(priority) == band then
    if score > now and at <= score then return true end
    if at <= now and suspendedUntil(lane) <= now and not isHeldLane(lane) then return true end
  end
  place(lane)
  return false
end

local function firstOf(band)
  local skipped, moved = 0, 0
  while moved < MOVED do
    local from = given.from[band + 1]
    local page = call('ZRANGEBYSCORE', inBand(band), from, '+inf', 'WITHSCORES', 'LIMIT', skipped, PAGE)
    local before = moved
    for i = 1, #page, 2 do
      local lane, score = page[i], tonumber(page[i + 1])
      if isFull(lane) then
        skipped = skipped + 1
      elseif isSure(band, lane, score) then
        return math.max(score, now)
      else
        moved = moved + 1
        break
      end
    end
    if moved == before and #page < 2 * PAGE then return math.huge end
  end
  return now
end

-- When the next lane has work that the caller could claim: given { full, from }. An empty text when
-- nothing waits.
define('next_due', function()
  lapse()
  if isAnyHold() and call('HEXISTS', P .. '/holds', 'all') == 1 then return '' end
  local first = math.huge
  for band = 0, BANDS - 1 do first = math.min(first, firstOf(band)) end
  if first == math.huge then return '' end
  local resumeAt = recoveryUntil()
  if resumeAt > steady then first = math.max(first, now + resumeAt - steady) end
  return asText(math.floor(first))
end)
