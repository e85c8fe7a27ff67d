// Waiting for what is true in the end, and ports that nobody has.

import { once } from 'node:events'
import { createServer } from 'node:net'
import { setTimeout as wait } from 'node:timers/promises'

// Below the ports that the kernel gives to outgoing connections, or one of those could sit on
// ours while the relay is down.
const LOWEST_PORT = 12_000
const PORTS = 20_000

/**
 * What is waited for comes within milliseconds on an idle machine, and within some seconds on one that
 * other runs share; only what never comes takes so long.
 */
export const PATIENCE = 30_000

/** Resolves when this holds; asked again every so many milliseconds. */
export async function until(
  holds: () => boolean | Promise<boolean>,
  what: string | (() => string) = 'what was waited for',
  milliseconds = PATIENCE,
  every = 10,
): Promise<void> {
  const deadline = performance.now() + milliseconds
  while (!(await holds())) {
    if (performance.now() > deadline)
      throw new Error(`Not within ${milliseconds} ms: ${typeof what === 'string' ? what : what()}`)
    await wait(every)
  }
}

export async function freePort(): Promise<number> {
  for (;;) {
    const port = LOWEST_PORT + Math.floor(Math.random() * PORTS)
    const server = createServer()
    const free = once(server, 'listening').then(
      () => true,
      () => false,
    )
    server.listen(port, '127.0.0.1')
    if (!(await free)) continue
    const closed = once(server, 'close')
    server.close()
    await closed
    return port
  }
}
