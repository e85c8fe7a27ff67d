import { once } from 'node:events'
import { connect } from 'node:net'
import { expect, test } from 'vitest'
import { startAdmin } from '../../src/admin/control/http.ts'

const METRICS = {
  scrape: async () => ({ contentType: 'text/plain; version=0.0.4', text: 'waypost_info 1\n' }),
}
const PLACE = { host: '127.0.0.1', port: 0 }

test('health, readiness and metrics are there, and nothing else', async () => {
  await using admin = await startAdmin({ ...PLACE, ready: async () => undefined, metrics: METRICS })
  const cases: [path: string, status: number, text: string][] = [
    ['/healthz', 200, 'ok\n'],
    ['/readyz', 200, 'ready\n'],
    ['/metrics?x=1', 200, 'waypost_info 1\n'],
    ['/', 404, 'Here are /healthz, /readyz and /metrics\n'],
    ['/healthz/', 404, 'Here are /healthz, /readyz and /metrics\n'],
  ]
  for (const [path, status, text] of cases) {
    const response = await fetch(admin.url + path)
    expect([response.status, await response.text()]).toEqual([status, text])
  }
})

test('a relay that takes no mail is alive and not ready, and says why', async () => {
  const ready = async (): Promise<string> => 'the disk is full'
  await using admin = await startAdmin({ ...PLACE, ready, metrics: METRICS })
  expect((await fetch(`${admin.url}/healthz`)).status).toBe(200)
  const response = await fetch(`${admin.url}/readyz`)
  expect([response.status, await response.text()]).toEqual([503, 'not ready: the disk is full\n'])
})

test('metrics that cannot be read are a 503, not a crash', async () => {
  const metrics = { scrape: () => Promise.reject(new Error('the queue is closed')) }
  await using admin = await startAdmin({ ...PLACE, ready: async () => undefined, metrics })
  expect((await fetch(`${admin.url}/metrics`)).status).toBe(503)
  expect((await fetch(`${admin.url}/metrics`)).status).toBe(503)
})

test('only GET and HEAD are answered, and HEAD without a body', async () => {
  await using admin = await startAdmin({ ...PLACE, ready: async () => undefined, metrics: METRICS })
  expect((await fetch(`${admin.url}/metrics`, { method: 'POST', body: 'x' })).status).toBe(405)
  const head = await fetch(`${admin.url}/metrics`, { method: 'HEAD' })
  expect([head.status, await head.text()]).toEqual([200, ''])
})

test('a header that is too large is refused', async () => {
  await using admin = await startAdmin({ ...PLACE, ready: async () => undefined, metrics: METRICS })
  const socket = connect(Number(new URL(admin.url).port), '127.0.0.1')
  socket.write(`GET /healthz HTTP/1.1\r\nhost: x\r\nx: ${'x'.repeat(20_000)}\r\n\r\n`)
  const [chunk] = (await once(socket, 'data')) as [Buffer]
  expect(chunk.toString()).toMatch(/^HTTP\/1\.1 431 /)
  socket.destroy()
})
