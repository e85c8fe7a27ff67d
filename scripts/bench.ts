// `npm run bench [NAME…] [-- --messages N]`: what the relay does a second and what it costs, beside Postfix in the same run
// where Postfix is installed. Figures of one run compare; those of two machines do not.

import { parseArgs } from 'node:util'
import { compareBuilds } from './bench/against.ts'
import { measureAttacks } from './bench/attacks.ts'
import { measureBacklog } from './bench/backlog.ts'
import { measureCommands } from './bench/commands.ts'
import { measureDestinations } from './bench/destinations.ts'
import { measureLatency } from './bench/latency.ts'
import { measureLimits } from './bench/limits.ts'
import { compareRates, compareRedisRates } from './bench/rates.ts'
import { measureRedisBacklog } from './bench/redis-backlog.ts'
import { measureStart } from './bench/start.ts'

const SCENARIOS = {
  rates: (messages: number) => compareRates(messages),
  redis: (messages: number) => compareRedisRates(messages),
  destinations: (messages: number) => measureDestinations(messages),
  backlog: (messages: number) => measureBacklog(messages),
  'redis-backlog': (messages: number) => measureRedisBacklog(messages),
  latency: (messages: number) => measureLatency(messages),
  limits: () => measureLimits(values.only),
  attacks: () => measureAttacks(values.only),
  against: (messages: number) => compareBuilds(values.tree, messages),
  commands: () => measureCommands(values.tree),
  start: () => measureStart([100_000, 1_000_000]),
} as const

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    messages: { type: 'string', default: '10000' },
    only: { type: 'string' },
    tree: { type: 'string' },
  },
})
// The other build has to be named.
const usual = Object.keys(SCENARIOS).filter((name) => name !== 'against')
const names = positionals.length > 0 ? positionals : usual
for (const name of names) {
  const scenario = SCENARIOS[name as keyof typeof SCENARIOS]
  if (scenario === undefined)
    throw new Error(`No measurement "${name}": there are ${Object.keys(SCENARIOS).join(', ')}`)
  console.log(`\n${name}`)
  await scenario(Number(values.messages))
}
