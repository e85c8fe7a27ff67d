-- Jobs: what BullMQ keeps of a delivery that waits or is being sent. The usual ways go by BullMQ's own
-- scripts; these are for what those do not know of: holds, acts of operators, leases that lapse.

-- Scores as BullMQ makes them: by priority, then as they came; by time in 4096ths of a millisecond.
local URGENCY, FRACTION = 0x100000000, 0x1000

-- Up to which score a delayed job is due now. Numbers are written out here: what the server would do
-- with them costs more.
local function dueScore()
  return string.format('%.0f', (now + 1) * FRACTION - 1)
end

local function enqueue(lane, delivery, priority)
  local turn = call('INCR', inLane(lane, 'pc')) % URGENCY
  call('ZADD', inLane(lane, 'prioritized'), priority * URGENCY + turn, delivery)
end

local function dropJob(lane, delivery)
  call('ZREM', inLane(lane, 'prioritized'), delivery)
  call('ZREM', inLane(lane, 'delayed'), delivery)
  call('LREM', inLane(lane, 'active'), 1, delivery)
  local job = inLane(lane, delivery)
  call('DEL', job, job .. ':lock')
end

-- The delivery has its job, and it stands where the record says.
local function schedule(lane, delivery, d)
  dropJob(lane, delivery)
  call('HSET', inLane(lane, delivery), 'name', 'delivery', 'data', cjson.encode({ to = d.to }),
    'opts', cjson.encode({ priority = d.p, removeOnComplete = true }),
    'timestamp', now, 'delay', math.max(0, d.due - now), 'priority', d.p)
  if d.due <= now then
    enqueue(lane, delivery, d.p)
  else
    call('ZADD', inLane(lane, 'delayed'), d.due * FRACTION, delivery)
  end
end

-- Taken and not wanted after all: it is the first of its priority again.
local function putBack(lane, delivery, d)
  call('LREM', inLane(lane, 'active'), 1, delivery)
  call('DEL', inLane(lane, delivery) .. ':lock')
  call('ZADD', inLane(lane, 'prioritized'), d.p * URGENCY, delivery)
end

-- What has fallen due joins those that wait to be sent, the oldest first. BullMQ would take up to a
-- thousand at a time; it is told that it is the year 1970, and a great backlog stops nobody for long.
local function promote(lane)
  if promoted[lane] then return end
  promoted[lane] = true
  local delayed = inLane(lane, 'delayed')
  local due = call('ZRANGEBYSCORE', delayed, '-inf', dueScore(), 'LIMIT', '0', '64')
  if #due == 0 then return end
  call('ZREM', delayed, unpack(due))
  for _, delivery in ipairs(due) do
    enqueue(lane, delivery, tonumber(call('HGET', inLane(lane, delivery), 'priority') or 100))
  end
end
