-- uses: keys records jobs lanes acts settling leases
-- Leases of lanes with due work, most urgent first, round robin; one in eight from a less urgent
-- band. Given { count, length, number = of the lease before the first, from = where each band was
-- left, full = some lanes are full for the caller }. Answers leases { id, lane, priority }, where
-- each band was left, and until when nothing is claimed at all.

lapse()
local calm = calmUntil()
if calm > steady or call('HEXISTS', P .. '/holds', 'all') == 1 then
  return answer({ {}, given.from, math.max(calm - steady, 0) })
end

local PAGE, EIGHTH = 50, 8
local bands = {}
for band = 0, BANDS - 1 do
  bands[band] = { from = given.from[band + 1], seen = given.from[band + 1], skipped = 0, list = {}, at = 1 }
end

local function isFull(lane)
  return given.full and call('SISMEMBER', P .. '/full/' .. me, lane) == 1
end

local function refill(band, one)
  one.list = call('ZRANGEBYSCORE', inBand(band), one.from, '(' .. (now + 1), 'WITHSCORES', 'LIMIT', one.skipped, PAGE)
  one.at = 1
  return one.list[1] ~= nil
end

-- The lane whose turn it is in the band. Those that cannot be claimed are met here, and go to
-- where they belong; full ones are passed over, and need not be looked at again.
local function head(band)
  local one = bands[band]
  while true do
    local lane, score = one.list[one.at], one.list[one.at + 1]
    if lane == nil then
      if not refill(band, one) then return nil end
    elseif isFull(lane) then
      one.at, one.skipped, one.seen = one.at + 2, one.skipped + 1, score
    else
      promote(lane)
      local at, priority = workOf(lane, idleLeases(lane))
      local fits = at and at <= now and bandOf(priority) == band
      if fits and suspendedUntil(lane) <= now and not isHeldLane(lane) then return lane, priority end
      place(lane)
      one.at = one.at + 2
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

local leases = {}
while #leases < given.count do
  local eighth = call('INCR', P .. '/claims') % EIGHTH == 0
  local best, lane, priority
  for band = 0, BANDS - 1 do
    local its, urgency = head(band)
    if its and (best == nil or eighth) then
      local first = best == nil
      best, lane, priority = band, its, urgency
      if not (first and eighth) then break end
    end
  end
  if best == nil then break end
  leases[#leases + 1] = give(lane, priority, given.number + #leases + 1)
  call('ZREM', inBand(best), lane)
  bands[best].at = bands[best].at + 2
  place(lane)
end
local from = {}
for band = 0, BANDS - 1 do from[#from + 1] = bands[band].seen end
return answer({ leases, from, 0 })
