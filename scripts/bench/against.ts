// This build and another, in turn and in one run: A B A B, seven pairs, so that a machine whose speed changes
// says the same of both. CPU a message counts all threads of the relay, and Redis where the queue is there.
//
//   git worktree add /tmp/before COMMIT && (cd /tmp/before && npm ci)
//   npm run bench against -- --tree /tmp/before

import { embedded, median, together, type Measured } from './rates.ts'
import { measureRate, startSink, type Rate } from './programs.ts'
import type { RelayOptions } from './relay.ts'

const PAIRS = 7

interface Run extends Rate {
  /** Microseconds of CPU a message, by what uses them. */
  readonly cost: Readonly<Record<string, number>>
}

type Start = (options: RelayOptions) => Promise<Measured>

export async function compareBuilds(tree: string | undefined, messages: number): Promise<void> {
  if (tree === undefined)
    throw new Error('Which build? Write -- --tree FOLDER, a checkout with its packages')
  await compare('embedded, unsigned', embedded, tree, { messages, reuse: true })
  await compare('embedded, unsigned, one connection a message', embedded, tree, {
    messages: Math.ceil(messages / 2),
    reuse: false,
  })
  await compare('on Redis, one process, unsigned', together, tree, { messages, reuse: true })
}

interface Load {
  readonly messages: number
  readonly reuse: boolean
}

async function compare(name: string, start: Start, tree: string, load: Load): Promise<void> {
  await using sink = await startSink()
  await using before = await start({ hop: sink.port, tree })
  await using after = await start({ hop: sink.port })
  const run = (relay: Measured): Promise<Run> => measure(relay, sink, load)
  for (const relay of [before, after]) await run(relay) // its code is compiled by then
  const pairs: [before: Run, after: Run][] = []
  for (let pair = 0; pair < PAIRS; pair++) pairs.push([await run(before), await run(after)])
  console.log(`  ${name}`)
  for (const part of Object.keys(pairs[0]![1].cost))
    print(`µs of ${part} a message`, pairs, ({ cost }) => cost[part]!)
  print('accepted/s', pairs, ({ accepted }) => accepted)
  print('delivered/s', pairs, ({ delivered }) => delivered)
}

async function measure(
  relay: Measured,
  sink: Parameters<typeof measureRate>[1],
  { messages, reuse }: Load,
): Promise<Run> {
  const before = await relay.cpu()
  const rate = await measureRate(relay.port, sink, { messages, sessions: 40, bytes: 4096, reuse })
  const spent = Object.entries(await relay.cpu()).map(([part, seconds]): [string, number] => {
    return [part, ((seconds - before[part]!) * 1e6) / messages]
  })
  return { ...rate, cost: Object.fromEntries(spent) }
}

function print(what: string, pairs: readonly [Run, Run][], of: (run: Run) => number): void {
  const ratios = pairs.map(([before, after]) => of(after) / of(before))
  const [low, high] = [Math.min(...ratios), Math.max(...ratios)]
  const middle = (index: 0 | 1): string => median(pairs.map((pair) => of(pair[index]))).toFixed(0)
  console.log(
    `    ${what.padEnd(24)} ${middle(0)} → ${middle(1)}, ratio ${median(ratios).toFixed(3)} (${low.toFixed(2)} to ${high.toFixed(2)})`,
  )
}
