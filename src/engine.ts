// Which engine keeps the queue, from the settings; each is loaded only where it is used.

import type { Clock } from './base/clock.ts'
import type { Report } from './mail/event.ts'
import type { RedisPlace } from './queue/bullmq/place.ts'
import type { BullmqOptions } from './queue/bullmq/queue.ts'
import type { LeaseTime } from './queue/bullmq/link/time.ts'
import type { About } from './queue/port/control.ts'
import type { Queue } from './queue/port/queue.ts'
import type { Settings } from './settings/settings.ts'

export interface EngineWorld {
  readonly clock: Clock
  readonly report: Report
  readonly about: () => About
  /** What leases in Redis are measured by; the server's clock by default. */
  readonly time?: LeaseTime
}

export async function openEngine(settings: Settings, world: EngineWorld): Promise<Queue> {
  const { data: folder, history, diskReserve, redis: place } = settings.queue
  const shared = { ...world, historyAge: history.age, historySize: history.size }
  // Mail that others deliver is not kept in memory for its first attempt.
  const memory = settings.process.roles.includes('deliver') ? {} : { memory: 0 }
  if (place === undefined) {
    const { openSqliteQueue } = await import('./queue/sqlite/queue.ts')
    return openSqliteQueue({ ...shared, folder, diskReserve })
  }
  const { openBullmqQueue } = await import('./queue/bullmq/queue.ts')
  return openBullmqQueue({ ...shared, ...memory, ...place, ...(await contentOf(place)) })
}

async function contentOf({ content, prefix }: RedisPlace): Promise<Pick<BullmqOptions, 'store'>> {
  if (content === undefined) return {}
  const { openObjects } = await import('./queue/bullmq/s3/open.ts')
  return { store: await openObjects(content, prefix) }
}
