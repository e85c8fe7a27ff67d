// Takes mail out of the queue and to its hosts. This file puts the parts of delivery together, and takes
// them down: nothing new begins, attempts under way may finish, and what still waits for the reply
// to its final dot is settled as unknown.

import { pause } from '../base/clock.ts'
import type { Clock } from '../base/clock.ts'
import type { Report } from '../mail/event.ts'
import type { Policy } from '../policy/policy.ts'
import type { Outflow } from '../queue/port/outflow.ts'
import type { QueueReader } from '../queue/port/reader.ts'
import { Dispatcher } from './draw/dispatcher.ts'
import { Health } from './site/health.ts'
import { drawFrom } from './draw/lane.ts'
import type { LaneOptions } from './draw/lane.ts'
import { Leases } from './settle/leases.ts'
import { Notices } from './notice/owed.ts'
import type { ComposeNotice } from './notice/owed.ts'
import type { Sign } from './attempt/prepare.ts'
import type { Connect } from './attempt/reach.ts'
import type { AskCredentials } from './connect/credentials.ts'
import type { Mx } from './hosts/mx.ts'
import { Settler } from './settle/settler.ts'
import { Sites } from './site/sites.ts'
import { Sweep } from './draw/sweep.ts'

export interface DeliveryOptions {
  readonly queue: Outflow & Pick<QueueReader, 'trace'>
  readonly policy: () => Policy
  readonly report: Report
  readonly clock: Clock
  /** From 0 up to 1, like `Math.random`. */
  readonly chance: () => number
  /** What we call ourselves, in notices too. */
  readonly hostname: string
  readonly mx: Mx
  readonly connect: Connect
  /** With what we log in to next hops. */
  readonly credentials: AskCredentials
  readonly sign: Sign
  readonly composeNotice: ComposeNotice
  /** Connections in all. */
  readonly connections: number
  /** What others see us call from: limits of a site are shared by all who say the same. */
  readonly source: string
  /** Where MX hosts listen: 25. */
  readonly smtpPort: number
}

export interface DeliveryPart extends AsyncDisposable {
  /** Begins nothing new; attempts under way may finish for so many milliseconds. */
  close(deadline: number): Promise<void>
}

/** How long what was cut off may take to be written. */
const LAST_WORDS = 5000

export function startDelivery(options: DeliveryOptions): DeliveryPart {
  const { queue, clock, report, connections, policy, hostname, chance, source } = options
  const abort = new AbortController()
  const { signal } = abort
  let stopping = false

  const settler = new Settler(queue, clock, report)
  const leases = new Leases(queue, clock, report)
  const sites = new Sites({ queue, clock, report, policy, connections, source })
  const health = new Health({ queue, clock, chance, report, sites, leases })
  const notices = new Notices({ hostname, policy, queue, compose: options.composeNotice })
  const parts = { settler, leases, sites, health, notices }
  const lane: LaneOptions = { ...options, ...parts, signal, stopping: () => stopping }
  const dispatcher = new Dispatcher({
    queue,
    clock,
    report,
    leases,
    settler,
    capacity: sites.capacity,
    draw: (held, placed) => drawFrom(lane, held, placed),
  })
  const sweep = new Sweep({ queue, policy, clock, report, settler, notices })

  sites.onRoom = () => dispatcher.wake()
  queue.onWake(() => dispatcher.wake())
  dispatcher.wake()

  let closing: Promise<void> | undefined
  const close = (deadline: number): Promise<void> => (closing ??= closeAll(deadline))
  return { close, [Symbol.asyncDispose]: () => close(30_000) }

  async function closeAll(deadline: number): Promise<void> {
    stopping = true
    dispatcher.stop()
    sites.close()
    const ended = Promise.all([dispatcher.idle(), sweep.stop()])
    await within(ended, deadline)
    abort.abort(new Error('Delivery is stopping'))
    sites.cut()
    await within(Promise.all([ended, sites.quitAll()]), LAST_WORDS)
    await settler.close()
  }

  async function within(work: Promise<unknown>, milliseconds: number): Promise<void> {
    const done = new AbortController()
    const ending = work.finally(() => done.abort())
    await Promise.race([ending, pause(clock, milliseconds, done.signal)])
  }
}
