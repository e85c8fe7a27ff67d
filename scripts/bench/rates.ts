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
import { startRelay, type Signing } from './relay.ts'

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
  for (const comparison of COMPARISONS) await compare(comparison, messages)
}

async function compare({ name, signing, reuse }: Comparison, messages: number): Promise<void> {
  await using sink = await startSink()
  await using relay = await startRelay({ hop: sink.port, signing })
  const beside = HAS_POSTFIX && (signing === 'none' || HAS_OPENDKIM)
  await using yardstick = beside ? await startPostfix(sink.port, signing !== 'none') : undefined
  const load = { messages, sessions: 40, bytes: 4096, reuse }
  await measureRate(relay.port, sink, load) // a relay runs for months: its code is compiled by then
  const ours: Rate[] = []
  const theirs: Rate[] = []
  let cpu = 0
  for (let round = 0; round < ROUNDS; round++) {
    const before = relay.cpu()
    ours.push(await measureRate(relay.port, sink, load))
    cpu += relay.cpu() - before
    if (yardstick !== undefined) theirs.push(await measureBeside(yardstick, sink, load))
  }
  print(name, ours, theirs, (cpu * 1e6) / (ROUNDS * messages))
}

// Postfix is several times slower: a third of the messages gives a figure in the same time.
function measureBeside(
  yardstick: Server,
  sink: Parameters<typeof measureRate>[1],
  load: Parameters<typeof measureRate>[2],
): Promise<Rate> {
  return measureRate(yardstick.port, sink, { ...load, messages: Math.ceil(load.messages / 3) })
}

function print(name: string, ours: readonly Rate[], theirs: readonly Rate[], cpu: number): void {
  const show = (rates: readonly Rate[]): string =>
    `accepted ${Math.round(median(rates.map(({ accepted }) => accepted)))}/s, delivered ${Math.round(median(rates.map(({ delivered }) => delivered)))}/s`
  console.log(`  ${name}`)
  console.log(`    waypost  ${show(ours)}, ${Math.round(cpu)} µs of CPU a message`)
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
