// Time from the start of the process to its accepting mail, and its memory, with much mail queued.

import { join } from 'node:path'
import { startDns } from '../../test/peers/dns.ts'
import { byMx } from './destinations.ts'
import { openFolder } from './programs.ts'
import { startRelay } from './relay.ts'
import { send } from './source.ts'

export async function measureStart(counts: readonly number[]): Promise<void> {
  await using folder = await openFolder()
  await using dns = await startDns({
    'dead.bench.test': { A: ['127.0.0.99'] },
    'dead.test': { MX: ['10 dead.bench.test'] },
  })
  const options = { data: join(folder.path, 'data'), environment: byMx(dns.server, 9) }
  let queued = 0
  for (const count of counts) {
    await fill(options, queued, count - queued)
    queued = count
    const start = performance.now()
    await using relay = await startRelay(options)
    const ready = performance.now() - start
    console.log(
      `  ${count} queued: accepts after ${Math.round(ready)} ms, ${Math.round(relay.memory() / 1e6)} MB resident`,
    )
  }
}

async function fill(
  options: Parameters<typeof startRelay>[0],
  from: number,
  messages: number,
): Promise<void> {
  await using relay = await startRelay(options)
  await send(relay.port, {
    messages,
    sessions: 40,
    bytes: 1024,
    recipient: (n) => `rcpt${from + n}@dead.test`,
  })
}
