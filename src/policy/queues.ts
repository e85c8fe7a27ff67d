// queues/*.yaml: priority, retry schedule and lifetime of each queue. The queue `default` is
// always there. What a file leaves out is as in the built-in default, but for `warn-after`: without
// it nobody is warned.

import type { At, QueueRules } from './policy.ts'
import { count, duration, list, map, optional, preset } from './read.ts'
import { doubt } from './yaml.ts'
import type { Place } from './yaml.ts'

const MINUTE = 60_000
const HOUR = 60 * MINUTE

/** The same as the shipped `queues/default.yaml`. */
export const DEFAULT_QUEUE: QueueRules = {
  name: 'default',
  priority: 10,
  retry: [MINUTE, 5 * MINUTE, 15 * MINUTE, 30 * MINUTE, HOUR, 2 * HOUR, 4 * HOUR],
  giveUpAfter: 5 * 24 * HOUR,
  warnAfter: 4 * HOUR,
  at: 'built-in default',
}

const TABLE = {
  priority: preset(DEFAULT_QUEUE.priority, count(1, 100), '1 is first, 100 last'),
  retry: preset(DEFAULT_QUEUE.retry, list(duration, 'retry'), 'pauses; the last repeats'),
  'give-up-after': preset(DEFAULT_QUEUE.giveUpAfter, duration, 'when mail expires'),
  'warn-after': optional(duration, 'when the sender is told of a delay; without: never'),
} as const

export function queueName(text: string): string | undefined {
  return /^[a-z0-9][a-z0-9_-]{0,63}$/.test(text) ? text : undefined
}

const QUEUE = map(TABLE)

/** What can stand in a file of queues/. */
export const QUEUE_SHAPE = QUEUE.shape

export function queueRules(name: string, place: Place): QueueRules | undefined {
  const value = QUEUE(place)
  if (value === undefined) return undefined
  const { priority, retry, 'give-up-after': giveUpAfter, 'warn-after': warnAfter } = value
  if (retry[0]! >= giveUpAfter)
    doubt(place, 'gives up before the first retry, so everything is tried once')
  if (warnAfter !== undefined && warnAfter >= giveUpAfter)
    doubt(place, 'gives up before it warns, so "warn-after" does nothing')
  const rules = { name, priority, retry, giveUpAfter, at: place.at }
  return warnAfter === undefined ? rules : { ...rules, warnAfter }
}

/** What a file without any key says. */
export function emptyQueue(name: string, at: At): QueueRules {
  const { priority, retry, giveUpAfter } = DEFAULT_QUEUE
  return { name, priority, retry, giveUpAfter, at }
}
