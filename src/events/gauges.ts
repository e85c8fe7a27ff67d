// What a scrape asks of the queue: how much waits, what keeps it and whether it takes mail. A queue
// that cannot answer now leaves its counts out; that it takes no mail is told all the same.

import { Gauge, type Registry } from 'prom-client'

/** As far as scrapes need it. */
export interface Watched {
  /** Recipients that have not ended. */
  counts(
    by: 'state' | 'queue',
  ): Promise<readonly { readonly key: string; readonly count: number }[]>
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
  /** What its server says of itself, by the server's own names. */
  readonly server?: Readonly<Record<string, string | number>>
}

/** Gauges that ask `watched` at each scrape; it is `undefined` until there is a queue. */
export function gaugeQueue(registry: Registry, watched: () => Watched | undefined): void {
  const registers = [registry]
  const gauge = (
    name: string,
    help: string,
    labelNames: readonly string[],
    collect: (gauge: Gauge, queue: Watched) => Promise<void>,
  ): Gauge =>
    new Gauge({
      name: `waypost_${name}`,
      help,
      labelNames,
      registers,
      async collect() {
        this.reset()
        const queue = watched()
        if (queue !== undefined) await collect(this, queue).catch(() => this.reset())
      },
    })
  for (const [name, by] of [
    ['recipients', 'state'],
    ['queue_recipients', 'queue'],
  ] as const)
    gauge(name, `Recipients that have not ended, by ${by}`, [by], async (gauge, queue) => {
      for (const { key, count } of await queue.counts(by)) gauge.set({ [by]: key }, count)
    })
  gauge('processes', 'Relay processes that share the queue', ['state'], async (gauge, queue) => {
    const processes = await queue.processes()
    const dead = processes.filter(({ isDead }) => isDead).length
    gauge.set({ state: 'alive' }, processes.length - dead)
    gauge.set({ state: 'dead' }, dead)
  })
  gauge('takes_mail', 'Whether the queue takes mail: 1, or 0', [], async (gauge, queue) => {
    gauge.set((await queue.engine()).trouble === undefined ? 1 : 0)
  })
  gauge('engine_info', 'What keeps the queue, and how', ENGINE, async (gauge, queue) => {
    gauge.set(engineLabels(await queue.engine()), 1)
  })
  for (const [name, key, help] of MEMORY)
    gauge(name, help, [], async (gauge, queue) => {
      const bytes = (await queue.engine()).server?.[key]
      if (bytes !== undefined) gauge.set(Number(bytes))
    })
}

const SERVER = ['product', 'version', 'role', 'appendonly', 'appendfsync']
const ENGINE = ['engine', 'durability', 'content', ...SERVER]
const MEMORY = [
  ['redis_memory_bytes', 'used-memory', 'Memory that Redis uses'],
  ['redis_maxmemory_bytes', 'maxmemory', 'Memory that Redis may use; 0: all there is'],
] as const

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
