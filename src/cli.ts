// The command `waypost`: the real world for the commands of `admin/`. Parts of the relay are
// loaded only by the commands that run it.

import { once } from 'node:events'
import { userInfo } from 'node:os'
import { runCommands } from './admin/commands.ts'
import type { Context, StartWish } from './admin/context.ts'
import { systemClock } from './base/clock.ts'
import { version } from './base/package.ts'
import { configInForce } from './policy/config.ts'
import { configPlaces, readSettings, TABLE } from './settings/settings.ts'

const words = process.argv.slice(2)
const stop = new AbortController()

const isRelay = words[0] === 'start'

// A reader such as `head` that has seen enough is no failure; the relay outlives its log's reader.
for (const stream of [process.stdout, process.stderr])
  stream.on('error', (error: NodeJS.ErrnoException) => {
    if (!isRelay) process.exit(error.code === 'EPIPE' ? 0 : 1)
  })

// The relay takes signals itself; any other command ends what it began, and ends.
if (!isRelay)
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => stop.abort())

void run()

async function run(): Promise<void> {
  process.exitCode = await runCommands(words, createContext())
  // A log whose reader has stopped would keep the process for ever.
  if (isRelay && process.stdout.writableLength > 0) process.exit()
}

function createContext(): Context {
  return {
    print: (text) => void process.stdout.write(text),
    printBytes: (bytes) => void (bytes === undefined || process.stdout.write(bytes)),
    complain: (text) => void process.stderr.write(text),
    drained,
    // Asked for by few commands, and dear to set up.
    get input() {
      return process.stdin
    },
    columns: process.stdout.isTTY ? process.stdout.columns : undefined,
    get interactive() {
      return process.stdin.isTTY && process.stderr.isTTY
    },
    clock: systemClock,
    signal: stop.signal,
    get who() {
      return process.env['SUDO_USER'] ?? userName()
    },
    uid: process.getuid?.() ?? 0,
    version: version(),
    places: () => {
      const settings = readSettings(process.env)
      const { data, redis } = settings.queue
      const { hostname } = settings.process
      const { dns } = settings.delivery
      const { own, ...rest } = configPlaces(settings)
      const config = configInForce({ own, ...rest })
      return { data, config, own, dns, hostname, redis }
    },
    manual: TABLE,
    environment: process.env,
    start: startRelay,
  }
}

// In a container the user often has a number and no name.
function userName(): string {
  try {
    return userInfo().username
  } catch {
    return `uid ${process.getuid?.()}`
  }
}

async function drained(): Promise<void> {
  if (process.stdout.writableNeedDrain) await once(process.stdout, 'drain')
}

async function startRelay(how?: StartWish): Promise<number> {
  const { runRelay } = await import('./main.ts')
  return runRelay(readSettings(process.env), how)
}
