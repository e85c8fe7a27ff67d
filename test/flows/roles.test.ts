// A queue in Redis divides the work: one process takes mail in, another takes it out.

import { once } from 'node:events'
import { connect } from 'node:net'

import { expect, test } from 'vitest'
import { startMx } from '../peers/mx.ts'
import { createProcess, until, type RelayProcess } from '../peers/process.ts'
import { startRedis } from '../peers/redis.ts'

test('a message that one process accepted is delivered by the other', async () => {
  await using redis = await startRedis()
  await using mx = await startMx()
  const start = (role: string): Promise<RelayProcess> => {
    const environment = { WAYPOST_REDIS: redis.url, WAYPOST_ROLES: role, WAYPOST_NAME: role }
    return createProcess({ hop: mx.port, environment })
  }
  await using listener = await start('listen')
  await using worker = await start('deliver')
  worker.launch()
  await listener.start()
  const accepts = (): boolean =>
    listener.log().some(({ text }) => String(text).includes('accepts mail'))
  await until(accepts, 'the listener to be ready')
  const { code, out, err } = await worker.waypost('send', 'bo@far.example')
  expect(err).toBe('')
  expect(out).toContain('delivered')
  expect(code).toBe(0)
  expect(mx.taken).toHaveLength(1)
  expect([await listener.stop(), await worker.stop()]).toEqual([0, 0])
  const deliveredBy = (relay: RelayProcess): number =>
    relay.log().filter(({ event }) => event === 'delivered').length
  expect([deliveredBy(listener), deliveredBy(worker)]).toEqual([0, 1])
})

test('mail that a listener refused is found from any process', async () => {
  await using redis = await startRedis()
  const environment = { WAYPOST_REDIS: redis.url, WAYPOST_ROLES: 'listen', WAYPOST_NAME: 'in' }
  await using listener = await createProcess({ environment })
  await using other = await createProcess({ environment: { WAYPOST_REDIS: redis.url } })
  await listener.start()
  const lines = ['EHLO client.test', 'MAIL FROM:<app@near.example> SIZE=999999999999', 'QUIT']
  await talk(listener.port, lines)
  expect(await listener.stop()).toBe(0)
  const { code, out, err } = await other.waypost('trace', 'app@near.example')
  expect([code, err]).toEqual([0, ''])
  expect(out).toMatch(/^Refused .*MAIL FROM:<app@near\.example> .*552 /s)
})

async function talk(port: number, lines: readonly string[]): Promise<void> {
  const socket = connect(port, '127.0.0.1')
  socket.resume()
  socket.write(lines.map((line) => `${line}\r\n`).join(''))
  await once(socket, 'close')
}
