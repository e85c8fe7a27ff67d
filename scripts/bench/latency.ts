// From 250 to the next server's having taken it, at a steady 100 messages a second.

import { createServer } from 'node:net'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { until } from './programs.ts'
import { startRelay } from './relay.ts'
import { send } from './source.ts'

const PACE = 100

export async function measureLatency(messages: number): Promise<void> {
  const count = Math.min(messages, 3000)
  const taken = new Float64Array(count)
  await using server = await startServer(taken)
  await using relay = await startRelay({ hop: server.port })
  const accepted = await send(relay.port, {
    messages: count,
    sessions: 10,
    bytes: 4096,
    pace: PACE,
    recipient: (n) => `rcpt${n}@dest.test`,
  })
  await until(() => taken.every((time) => time > 0), 30_000)
  const delays = taken.map((time, n) => time - accepted[n]!).toSorted()
  const at = (part: number): string =>
    delays[Math.min(count - 1, Math.floor(count * part))]!.toFixed(1)
  console.log(`  ${count} messages at ${PACE}/s, from 250 to taken by the next server`)
  console.log(
    `  median ${at(0.5)} ms, 95 % ${at(0.95)} ms, 99 % ${at(0.99)} ms, longest ${at(1)} ms`,
  )
}

/** A next hop that notes when it has each message, by the number in its X-Number field. */
async function startServer(taken: Float64Array): Promise<{ port: number } & AsyncDisposable> {
  const server = createServer({ noDelay: true }, (socket) => {
    let content = false
    let rest = ''
    socket.setEncoding('latin1').write('220 sink\r\n')
    socket.on('error', () => {})
    socket.on('data', (text: string) => {
      rest += text
      for (;;) {
        const end = rest.indexOf(content ? '\r\n.\r\n' : '\r\n')
        if (end === -1) return
        const part = rest.slice(0, end)
        rest = rest.slice(end + (content ? 5 : 2))
        if (content) taken[Number(/X-Number: (\d+)/.exec(part)![1])] = performance.now()
        content = !content && part === 'DATA'
        socket.write(
          content
            ? '354 go on\r\n'
            : part.startsWith('EHLO')
              ? '250-sink\r\n250 PIPELINING\r\n'
              : '250 ok\r\n',
        )
      }
    })
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    port: (server.address() as AddressInfo).port,
    async [Symbol.asyncDispose]() {
      server.close()
    },
  }
}
