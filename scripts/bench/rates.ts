// Messages a second, accepted and delivered, in turn with Postfix: A B A B A B, and the median of
// the ratios. 4 KB messages, 40 sessions, every message on stable storage before its 250.

import {
  HAS_OPENDKIM,
  HAS_POSTFIX,
  measureRate,
  startPostfix,
  startSink,
  type Rate,
  type Server,
} from './programs.ts'
import { startRelay, type Relay, type RelayOptions, type Signing } from './relay.ts'
import { startRedis } from '../../test/peers/redis.ts'

const ROUNDS = 3

interface Comparison {
  readonly name: string
  readonly signing: Signing
  readonly reuse: boolean
}

const COMPARISONS: readonly Comparison[] = [
  { name: 'unsigned, reused connections', signing: 'none', reuse: true },
  { name: 'unsigned, one connection a message', signing: 'none', reuse: false },
  { name: 'RSA-2048, reused connections', signing: 'rsa', reuse: true },
  { name: 'RSA-2048 and Ed25519, reused connections', signing: 'dual', reuse: true },
]

export async function compareRates(messages: number): Promise<void> {
  for (const comparison of COMPARISONS) await compare(comparison, messages, embedded)
}

/** The same on Redis: one process that does all, and one that listens with one that delivers. */
export async function compareRedisRates(messages: number): Promise<void> {
  for (const [parts, start] of [
    ['one process', together],
    ['a listener and a worker', divided],
  ] as const)
    for (const comparison of COMPARISONS.filter(
      ({ reuse, signing }) => reuse && signing !== 'dual',
    ))
      await compare({ ...comparison, name: `${comparison.name}, ${parts}` }, messages, start)
}

/** What is measured: where mail goes in, and what it costs. */
export interface Measured extends AsyncDisposable {
  readonly port: number
  /** CPU seconds so far, by what uses them. */
  cpu(): Promise<Readonly<Record<string, number>>>
  /** Calls of Redis so far. */
  calls?(): Promise<number>
}

type Start = (options: RelayOptions) => Promise<Measured>

export async function embedded(options: RelayOptions): Promise<Measured> {
  const relay = await startRelay(options)
  return { ...relay, cpu: async () => ({ waypost: relay.cpu() }) }
}

export async function together(options: RelayOptions): Promise<Measured> {
  return onRedis(options, ['listen,deliver,admin'])
}

async function divided(options: RelayOptions): Promise<Measured> {
  return onRedis(options, ['listen', 'deliver,admin'])
}

async function onRedis(options: RelayOptions, roles: readonly string[]): Promise<Measured> {
  const parts = new AsyncDisposableStack()
  const redis = parts.use(await startRedis())
  const client = await redis.client()
  parts.defer(() => client.disconnect())
  const relays: Relay[] = []
  for (const role of roles) {
    const environment = { WAYPOST_REDIS: redis.url, WAYPOST_ROLES: role }
    relays.push(parts.use(await startRelay({ ...options, environment })))
  }
  const read = async (section: string, name: string): Promise<number> =>
    Number(new RegExp(`^${name}:([\\d.]+)`, 'm').exec(await client.info(section))![1])
  return {
    port: relays[0]!.port,
    cpu: async () => ({
      ...Object.fromEntries(relays.map((relay, n) => [roles[n]!, relay.cpu()])),
      redis: (await read('cpu', 'used_cpu_user')) + (await read('cpu', 'used_cpu_sys')),
    }),
    calls: () => read('stats', 'total_reads_processed'),
    [Symbol.asyncDispose]: () => parts.disposeAsync(),
  }
}

async function compare(
  { name, signing, reuse }: Comparison,
  messages: number,
  start: Start,
): Promise<void> {
  await using sink = await startSink()
  await using relay = await start({ hop: sink.port, signing })
  const beside = HAS_POSTFIX && (signing === 'none' || HAS_OPENDKIM)
  await using yardstick = beside ? await startPostfix(sink.port, signing !== 'none') : undefined
  const load = { messages, sessions: 40, bytes: 4096, reuse }
  await measureRate(relay.port, sink, load) // a relay runs for months: its code is compiled by then
  const ours: Rate[] = []
  const theirs: Rate[] = []
  const costs: Record<string, number> = {}
  let reads = 0
  for (let round = 0; round < ROUNDS; round++) {
    const [before, readBefore = 0] = [await relay.cpu(), await relay.calls?.()]
    ours.push(await measureRate(relay.port, sink, load))
    reads += ((await relay.calls?.()) ?? 0) - readBefore
    for (const [part, seconds] of Object.entries(await relay.cpu()))
      costs[part] = (costs[part] ?? 0) + ((seconds - before[part]!) * 1e6) / (ROUNDS * messages)
    if (yardstick !== undefined) theirs.push(await measureBeside(yardstick, sink, load))
  }
  const cost = Object.entries(costs).map(([part, each]) => `${part} ${Math.round(each)}`)
  const trips = reads === 0 ? '' : `, ${(reads / (ROUNDS * messages)).toFixed(2)} reads of Redis`
  print(name, ours, theirs, `µs of CPU a message: ${cost.join(', ')}${trips}`)
}

// Postfix is several times slower: a third of the messages gives a figure in the same time.
function measureBeside(
  yardstick: Server,
  sink: Parameters<typeof measureRate>[1],
  load: Parameters<typeof measureRate>[2],
): Promise<Rate> {
  return measureRate(yardstick.port, sink, { ...load, messages: Math.ceil(load.messages / 3) })
}

function print(name: string, ours: readonly Rate[], theirs: readonly Rate[], cost: string): void {
  const show = (rates: readonly Rate[]): string =>
    `accepted ${Math.round(median(rates.map(({ accepted }) => accepted)))}/s, delivered ${Math.round(median(rates.map(({ delivered }) => delivered)))}/s`
  console.log(`  ${name}`)
  console.log(`    waypost  ${show(ours)}`)
  console.log(`             ${cost}`)
  if (theirs.length === 0) return console.log('    postfix  not installed, no ratio')
  const ratio = (of: (rate: Rate) => number): string =>
    median(ours.map((rate, round) => of(rate) / of(theirs[round]!))).toFixed(1)
  console.log(`    postfix  ${show(theirs)}`)
  console.log(
    `    ratio    accepted ${ratio((rate) => rate.accepted)}, delivered ${ratio((rate) => rate.delivered)}`,
  )
}

export function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)]!
}
