-- uses: keys records jobs lanes acts settling leases
-- When the next lane has work that the caller could claim: given { full, from }. An empty text when
-- nothing waits.

lapse()
if call('HEXISTS', P .. '/holds', 'all') == 1 then return answer('') end

local function isFull(lane)
  return given.full and call('SISMEMBER', P .. '/full/' .. me, lane) == 1
end

-- A lane that is said to be due and is not finds its place here.
local function isSure(band, lane, score)
  local at, priority = workOf(lane, idleLeases(lane))
  if score > now and at and at <= score then return true end
  if at and at <= now and bandOf(priority) == band and suspendedUntil(lane) <= now then return true end
  place(lane)
  return false
end

local PAGE = 50
local function firstOf(band)
  local skipped = 0
  while true do
    local page = call('ZRANGEBYSCORE', inBand(band), given.from[band + 1], '+inf', 'WITHSCORES', 'LIMIT', skipped, PAGE)
    if page[1] == nil then return math.huge end
    local moved = false
    for i = 1, #page, 2 do
      local lane, score = page[i], tonumber(page[i + 1])
      if isFull(lane) then
        skipped = skipped + 1
      elseif isSure(band, lane, score) then
        return math.max(score, now)
      else
        moved = true
        break
      end
    end
    if not moved and #page < 2 * PAGE then return math.huge end
  end
end

local first = math.huge
for band = 0, BANDS - 1 do first = math.min(first, firstOf(band)) end
if first == math.huge then return answer('') end
local calm = calmUntil()
if calm > steady then first = math.max(first, now + calm - steady) end
return answer(string.format('%.0f', math.floor(first)))
