// The rate by the number of destination domains: 1 to 10,000 lanes, all behind one MX host.

import { startDns } from '../../test/peers/dns.ts'
import { startSink, until } from './programs.ts'
import { startRelay } from './relay.ts'
import { send } from './source.ts'

export async function measureDestinations(messages: number): Promise<void> {
  for (const domains of [1, 10, 100, 1000, 10_000]) {
    await using sink = await startSink()
    await using dns = await startDns(zone(domains))
    await using relay = await startRelay({ environment: byMx(dns.server, sink.port) })
    const start = performance.now()
    await send(relay.port, {
      messages,
      sessions: 40,
      bytes: 4096,
      recipient: (n) => `rcpt@d${n % domains}.bench.test`,
    })
    await until(() => sink.count() >= messages, 300_000)
    const rate = (messages * 1000) / (performance.now() - start)
    console.log(`  ${String(domains).padStart(6)} domains  delivered ${Math.round(rate)}/s`)
  }
}

export function byMx(dns: string, port: number): Record<string, string> {
  return { WAYPOST_DNS: dns, WAYPOST_MX_REFUSE: 'none', WAYPOST_MX_PORT: String(port) }
}

export function zone(domains: number): Parameters<typeof startDns>[0] {
  const names = Array.from({ length: domains }, (_, n) => `d${n}.bench.test`)
  return Object.fromEntries([
    ['mx.bench.test', { A: ['127.0.0.1'] }],
    ...names.map((name) => [name, { MX: ['10 mx.bench.test'] }] as const),
  ])
}
