// TLS on the way out, as RFC 7435, RFC 3207 and the routing rules ask, and passwords over it.

import { getCACertificates, setDefaultCACertificates } from 'node:tls'
import { expect, test } from 'vitest'
import { makeCertificate } from '../peers/certificate.ts'
import { startMx } from '../peers/mx.ts'
import type { Mx } from '../peers/mx.ts'
import { MX_PLACE, startRelay } from '../peers/relay.ts'
import type { Relay } from '../peers/relay.ts'

const KNOWN = makeCertificate('smart.example')
// As NODE_EXTRA_CA_CERTS does it at the start of a process.
setDefaultCACertificates([...getCACertificates('default'), KNOWN.ca])

test('STARTTLS is used where it is offered, whoever signed the certificate', async () => {
  await using mx = await startMx({ certificate: makeCertificate('other.example') }, MX_PLACE)
  await using relay = await startRelay({ mx: { 'far.example': [mx] } })
  const id = await relay.send({ to: 'bo@far.example' })
  const { outcome, attempt } = await relay.until('attempted', id)
  expect(outcome.kind).toBe('delivered')
  expect(attempt.tls).toMatchObject({ version: 'TLSv1.3', verified: false })
  expect(mx.taken[0]).toMatchObject({ tls: true })
  // RFC 3207 4.2: what was said before TLS is forgotten, so EHLO comes again.
  expect(mx.heard.filter((line) => line.startsWith('EHLO'))).toHaveLength(2)
})

test('a handshake that fails is followed by mail in clear, and the trace says so', async () => {
  const broken = { ...makeCertificate('mx.example'), maxVersion: 'TLSv1.1' as const }
  await using mx = await startMx({ certificate: broken }, MX_PLACE)
  await using relay = await startRelay({ mx: { 'far.example': [mx] } })
  const id = await relay.send({ to: 'bo@far.example' })
  const { outcome, attempt } = await relay.until('attempted', id)
  expect(outcome.kind).toBe('delivered')
  expect(attempt.tls).toBeUndefined()
  expect(attempt.notes?.join()).toMatch(/TLS with mx-.* failed \(.+\), went on in clear/)
  expect(mx.taken[0]).toMatchObject({ tls: false })
  const trace = await relay.real.queue.trace(id)
  expect(JSON.stringify(trace?.facts)).toContain('went on in clear')
})

test('STARTTLS that is refused is followed by mail in clear', async () => {
  const script = { certificate: makeCertificate(), STARTTLS: '454 4.7.0 TLS not available' }
  await using mx = await startMx(script, MX_PLACE)
  await using relay = await startRelay({ mx: { 'far.example': [mx] } })
  const id = await relay.send({ to: 'bo@far.example' })
  const { outcome, attempt } = await relay.until('attempted', id)
  expect(outcome.kind).toBe('delivered')
  expect(attempt.notes?.join()).toContain('refused STARTTLS (454 4.7.0 TLS not available)')
})

for (const tls of ['required', 'verified'])
  test(`tls: ${tls} keeps mail back from a server without STARTTLS, as trouble of that way`, async () => {
    await using mx = await startMx({})
    await using relay = await startVia(mx, `tls: ${tls}`)
    const id = await relay.send({ to: 'bo@far.example' })
    const suspended = await relay.until('suspended')
    expect(suspended).toMatchObject({ cause: 'tls' })
    expect(suspended.reason).toMatch(/does not offer STARTTLS/)
    const { outcome } = await relay.until('attempted', id)
    expect(outcome).toMatchObject({ kind: 'deferred', stage: 'starttls', scope: 'way' })
    expect((await relay.entries(id))[0]).toMatchObject({ state: 'waiting', attempts: 0 })
    expect(mx.heard.some((line) => line.startsWith('MAIL'))).toBe(false)

    mx.change({ certificate: KNOWN })
    relay.pass('61s')
    expect(await relay.until('ended', id)).toMatchObject({ end: 'delivered' })
    expect(mx.taken[0]).toMatchObject({ tls: true })
  })

test('tls: verified keeps mail back from a certificate that nobody vouches for', async () => {
  await using mx = await startMx({ certificate: stranger() })
  await using relay = await startVia(mx, 'tls: verified')
  const id = await relay.send({ to: 'bo@far.example' })
  expect((await relay.until('suspended')).reason).toMatch(/unable to verify|self-signed/)
  expect((await relay.entries(id))[0]).toMatchObject({ state: 'waiting', attempts: 0 })
  expect(mx.taken).toHaveLength(0)
})

test('tls: verified keeps mail back from a certificate for another name', async () => {
  const other = makeCertificate('other.example')
  setDefaultCACertificates([...getCACertificates('default'), other.ca])
  await using mx = await startMx({ certificate: other })
  await using relay = await startVia(mx, 'tls: verified')
  await relay.send({ to: 'bo@far.example' })
  expect((await relay.until('suspended')).reason).toMatch(/does not match/)
  expect(mx.taken).toHaveLength(0)
})

test('tls: required asks for TLS, and for no more', async () => {
  await using mx = await startMx({ certificate: stranger() })
  await using relay = await startVia(mx, 'tls: required')
  const id = await relay.send({ to: 'bo@far.example' })
  expect(await relay.until('ended', id)).toMatchObject({ end: 'delivered' })
  expect(mx.taken[0]).toMatchObject({ tls: true })
})

const LOGIN = 'user: me, password-env: SMART_PASSWORD'
const PASSWORD = 'open sesame'
const PLAIN = Buffer.from(`\0me\0${PASSWORD}`).toString('base64')

test('a smart host is logged in to under verified TLS', async () => {
  await using mx = await startMx({ certificate: KNOWN, offers: ['PIPELINING', 'AUTH LOGIN PLAIN'] })
  await using relay = await startVia(mx, `tls: verified, ${LOGIN}`)
  const id = await relay.send({ to: 'bo@far.example' })
  const { outcome, attempt } = await relay.until('attempted', id)
  expect(outcome.kind).toBe('delivered')
  expect(attempt.tls?.verified).toBe(true)
  expect(mx.heard).toContain(`AUTH PLAIN ${PLAIN}`)
})

test('a smart host that knows only AUTH LOGIN gets user and password one by one', async () => {
  await using mx = await startMx({ certificate: KNOWN, offers: ['AUTH LOGIN'] })
  await using relay = await startVia(mx, `tls: verified, ${LOGIN}`)
  const id = await relay.send({ to: 'bo@far.example' })
  expect(await relay.until('ended', id)).toMatchObject({ end: 'delivered' })
  expect(mx.heard).toContain(Buffer.from(PASSWORD).toString('base64'))
})

test('no password goes to a server whose certificate does not hold', async () => {
  await using mx = await startMx({ certificate: stranger(), offers: ['AUTH PLAIN'] })
  await using relay = await startVia(mx, `tls: verified, ${LOGIN}`)
  const id = await relay.send({ to: 'bo@far.example' })
  await relay.until('suspended')
  expect((await relay.entries(id))[0]).toMatchObject({ state: 'waiting', attempts: 0 })
  expect(mx.heard.some((line) => line.startsWith('AUTH'))).toBe(false)
})

test('where the rule says so the password goes out over TLS that was not verified', async () => {
  await using mx = await startMx({ certificate: stranger(), offers: ['AUTH PLAIN'] })
  const way = `tls: required, ${LOGIN}, password-without-verification: true`
  await using relay = await startVia(mx, way)
  const id = await relay.send({ to: 'bo@far.example' })
  expect(await relay.until('ended', id)).toMatchObject({ end: 'delivered' })
  expect(mx.heard).toContain(`AUTH PLAIN ${PLAIN}`)
})

test('a password that the smart host refuses is trouble of the site, and names no password', async () => {
  const AUTH = ['535 5.7.8 Wrong', '235 2.7.0 welcome']
  await using mx = await startMx({ certificate: KNOWN, offers: ['AUTH PLAIN'], AUTH })
  await using relay = await startVia(mx, `tls: verified, ${LOGIN}`)
  const id = await relay.send({ to: 'bo@far.example' })
  const suspended = await relay.until('suspended')
  expect(suspended).toMatchObject({ cause: 'login' })
  expect(suspended.reason).toContain('535 5.7.8 Wrong')
  expect(JSON.stringify(relay.events)).not.toMatch(new RegExp(`${PASSWORD}|${PLAIN}`))
  relay.pass('61s')
  expect(await relay.until('ended', id)).toMatchObject({ end: 'delivered' })
})

/** Signed by an authority that nobody here trusts. */
function stranger(): ReturnType<typeof makeCertificate> {
  return makeCertificate('smart.example', 'stranger.example')
}

/** All mail goes to this server, by the name smart.example. */
function startVia(mx: Mx, way: string): Promise<Relay> {
  const via = `{ host: smart.example, port: ${mx.port}, ${way} }`
  return startRelay({
    zone: { 'smart.example': { A: [mx.address] } },
    files: { 'policies/routing.yaml': `- { to: ['*'], via: ${via}, queue: default }\n` },
    environment: { SMART_PASSWORD: PASSWORD },
  })
}
