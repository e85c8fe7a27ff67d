// 100,000 messages queued for a dead destination, and the rate to another one beside it.

import { startDns } from '../../test/peers/dns.ts'
import { byMx } from './destinations.ts'
import { measureRate, startSink, type Sink } from './programs.ts'
import { startRelay, type Relay } from './relay.ts'
import { median } from './rates.ts'
import { send } from './source.ts'

const QUEUED = 100_000

export async function measureBacklog(messages: number): Promise<void> {
  await using sink = await startSink()
  await using dns = await startDns({
    'mx.bench.test': { A: ['127.0.0.1'] },
    'dest.test': { MX: ['10 mx.bench.test'] },
    // Nothing listens on this address: connections are refused at once.
    'dead.bench.test': { A: ['127.0.0.99'] },
    'dead.test': { MX: ['10 dead.bench.test'] },
  })
  await using free = await startRelay({ environment: byMx(dns.server, sink.port) })
  await using laden = await startRelay({ environment: byMx(dns.server, sink.port) })
  await send(laden.port, {
    messages: QUEUED,
    sessions: 40,
    bytes: 1024,
    recipient: (n) => `rcpt${n}@dead.test`,
  })
  const [without, beside] = await inTurn(free, laden, sink, messages)
  console.log(`  without backlog  delivered ${Math.round(without)}/s`)
  console.log(`  with ${QUEUED} queued for a dead destination  delivered ${Math.round(beside)}/s`)
  console.log(`  ratio ${(beside / without).toFixed(2)}`)
}

async function inTurn(
  free: Relay,
  laden: Relay,
  sink: Sink,
  messages: number,
): Promise<[number, number]> {
  const load = { messages, sessions: 40, bytes: 4096, reuse: true }
  const rates: [number[], number[]] = [[], []]
  for (let round = 0; round < 4; round++) {
    const a = await measureRate(free.port, sink, load)
    const b = await measureRate(laden.port, sink, load)
    if (round === 0) continue // warm-up
    rates[0].push(a.delivered)
    rates[1].push(b.delivered)
  }
  return [median(rates[0]), median(rates[1])]
}
