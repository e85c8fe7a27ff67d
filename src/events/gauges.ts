// What a scrape asks of the queue: how much waits and for how long, what keeps it and whether it takes
// mail. A queue that cannot answer now leaves its counts out; that it takes no mail is told all the
// same. What can be counted has a series when it is zero too, so that alarms need not ask whether it
// is there.

import { Gauge, type Registry } from 'prom-client'
import { CAUSES, STATES, isEnd, type Cause } from '../mail/outcome.ts'

/** As far as scrapes need it. */
export interface Watched {
  /** Recipients that have not ended. */
  counts(
    by: 'state' | 'queue',
  ): Promise<readonly { readonly key: string; readonly count: number }[]>
  oldest(): Promise<
    readonly { readonly state: string; readonly queue: string; readonly acceptedAt: number }[]
  >
  suspensions(): Promise<
    readonly { readonly lane: string; readonly site?: string; readonly cause: Cause }[]
  >
  holds(): Promise<readonly { readonly scope: { readonly kind: string } }[]>
  engine(): Promise<Keeper>
  processes(): Promise<readonly { readonly isDead: boolean }[]>
}

/** What keeps the queue. */
export interface Keeper {
  readonly engine: string
  /** Accepted mail may be lost, because an operator has said so. */
  readonly isRelaxed: boolean
  /** Why no mail is taken now. */
  readonly trouble?: string
  /** Where content lives, when it can be elsewhere. */
  readonly content?: string
  /** Bytes of the disk that it is on. */
  readonly disk?: { readonly free: number; readonly reserve: number }
  /** What its server says of itself, by the server's own names. */
  readonly server?: Readonly<Record<string, string | number>>
}

export interface QueueGauges {
  readonly registry: Registry
  /** `undefined` until there is a queue. */
  readonly watched: () => Watched | undefined
  /** Names of the queues that operators have. */
  readonly queues: () => readonly string[]
  readonly now: () => number
}

type Fill = (gauge: Gauge, queue: Watched) => Promise<void>

/** Gauges that ask `watched` at each scrape. */
export function gaugeQueue(options: QueueGauges): void {
  const { registry, watched } = options
  const registers = [registry]
  const gauge = (name: string, help: string, labelNames: readonly string[], fill: Fill): Gauge =>
    new Gauge({
      name: `waypost_${name}`,
      help,
      labelNames,
      registers,
      async collect() {
        this.reset()
        const queue = watched()
        if (queue !== undefined) await fill(this, queue).catch(() => this.reset())
      },
    })
  gaugeWaiting(gauge, options)
  gaugeStops(gauge)
  gauge('processes', 'Relay processes that share the queue', ['state'], async (gauge, queue) => {
    const processes = await queue.processes()
    const dead = processes.filter(({ isDead }) => isDead).length
    gauge.set({ state: 'alive' }, processes.length - dead)
    gauge.set({ state: 'dead' }, dead)
  })
  gaugeEngine(gauge)
}

type Make = (name: string, help: string, labelNames: readonly string[], fill: Fill) => Gauge

const LIVE = STATES.filter((state) => !isEnd(state))

// Each process that shares a queue tells of all of it.
const WHOLE = 'of the whole queue: of processes that share it take max, not sum'

function gaugeWaiting(gauge: Make, { queues, now }: QueueGauges): void {
  gauge(
    'recipients',
    `Recipients that have not ended, by state, ${WHOLE}`,
    ['state'],
    async (gauge, queue) => {
      const counts = await queue.counts('state')
      for (const state of LIVE) gauge.set({ state }, 0)
      for (const { key, count } of counts) gauge.set({ state: key }, count)
    },
  )
  gauge(
    'queue_recipients',
    `Recipients that have not ended, by queue, ${WHOLE}`,
    ['queue'],
    async (gauge, queue) => {
      const counts = await queue.counts('queue')
      for (const name of queues()) gauge.set({ queue: name }, 0)
      for (const { key, count } of counts) gauge.set({ queue: key }, count)
    },
  )
  gauge(
    'oldest_seconds',
    `Age of the oldest that has not ended, by state and queue, 0 where there is none, ${WHOLE}`,
    ['state', 'queue'],
    async (gauge, queue) => {
      const found = await queue.oldest()
      for (const name of queues()) for (const state of LIVE) gauge.set({ state, queue: name }, 0)
      for (const { state, queue: name, acceptedAt } of found)
        gauge.set({ state, queue: name }, Math.max(0, now() - acceptedAt) / 1000)
    },
  )
}

function gaugeStops(gauge: Make): void {
  const causes = ['cause'] as const
  const fill = async (gauge: Gauge, suspended: readonly { readonly cause: Cause }[]) => {
    for (const cause of CAUSES) gauge.set({ cause }, 0)
    for (const { cause } of suspended) gauge.inc({ cause })
  }
  gauge(
    'suspended_lanes',
    `Lanes that wait by themselves now, by cause, ${WHOLE}`,
    causes,
    async (gauge, queue) => fill(gauge, await queue.suspensions()),
  )
  gauge(
    'suspended_sites',
    `Sites and named next hops that wait by themselves now, and lanes whose site is not known, by cause, ${WHOLE}`,
    causes,
    async (gauge, queue) => {
      const suspensions = await queue.suspensions()
      const sites = new Map(suspensions.map((each) => [each.site ?? each.lane, each]))
      return fill(gauge, [...sites.values()])
    },
  )
  gauge(
    'standing_holds',
    `Standing holds of operators, by scope, ${WHOLE}`,
    ['scope'],
    async (gauge, queue) => {
      const holds = await queue.holds()
      for (const scope of ['all', 'destination', 'queue']) gauge.set({ scope }, 0)
      for (const { scope } of holds) gauge.inc({ scope: scope.kind })
    },
  )
}

function gaugeEngine(gauge: Make): void {
  gauge('takes_mail', 'Whether the queue takes mail: 1, or 0', [], async (gauge, queue) => {
    gauge.set((await queue.engine()).trouble === undefined ? 1 : 0)
  })
  gauge('engine_info', 'What keeps the queue, and how', ENGINE, async (gauge, queue) => {
    gauge.set(engineLabels(await queue.engine()), 1)
  })
  for (const [name, help, of] of BYTES)
    gauge(name, help, NO_LABELS, async (gauge, queue) => {
      const bytes = of(await queue.engine())
      if (bytes !== undefined) gauge.set({}, Number(bytes))
    })
}

// A gauge without label names has a series from the start, and 0 bytes free would be an alarm.
export const NO_LABELS = ['unused'] as const
const SERVER = ['product', 'version', 'role', 'appendonly', 'appendfsync']
const ENGINE = ['engine', 'durability', 'content', ...SERVER]
const BYTES: readonly [string, string, of: (keeper: Keeper) => number | string | undefined][] = [
  [
    'disk_free_bytes',
    'Free space of the disk that the embedded queue is on, with what is free in its files',
    ({ disk }) => disk?.free,
  ],
  [
    'disk_reserve_bytes',
    'Free space under which the embedded queue takes no mail',
    ({ disk }) => disk?.reserve,
  ],
  ['redis_memory_bytes', 'Memory that Redis uses', ({ server }) => server?.['used-memory']],
  [
    'redis_maxmemory_bytes',
    'Memory that Redis may use; 0: all there is',
    ({ server }) => server?.['maxmemory'],
  ],
]

function engineLabels(keeper: Keeper): Record<string, string> {
  const { engine, isRelaxed, content, server = {} } = keeper
  const names = SERVER.filter((name) => server[name] !== undefined)
  return {
    engine,
    durability: isRelaxed ? 'relaxed' : 'synced',
    ...(content === undefined ? {} : { content }),
    ...Object.fromEntries(names.map((name) => [name, String(server[name])])),
  }
}
