// Next hops that are not ours: Postfix, its smtp-sink, and aiosmtpd take what the relay sends,
// over TLS that was checked and with a login where routing says so, and signatures survive them.

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Signing } from '../../src/policy/policy.ts'
import { mailauthSays, newSigning } from '../delivery/dkim-judges.ts'
import { startAiosmtpd } from '../peers/aiosmtpd.ts'
import { makeCertificate } from '../peers/certificate.ts'
import { need } from '../peers/debian.ts'
import { startDns } from '../peers/dns.ts'
import { startMx, type Mx, type Taken } from '../peers/mx.ts'
import { startPostfix, type Postfix } from '../peers/postfix.ts'
import { freePort, greets, startProcess, until, type RelayProcess } from '../peers/process.ts'
import { numbered, openTalk, sendMail } from '../peers/smtp-load.ts'
import { waiting } from '../crash/world.ts'

const wantPostfix =
  (await need('postfix')) ?? (process.getuid?.() === 0 ? undefined : 'Postfix starts only as root')
const wantAiosmtpd = await need('python3-aiosmtpd')
if (wantPostfix !== undefined) console.warn(`SKIPPED Postfix as next hop: ${wantPostfix}`)

const NAME = 'smarthost.example'
const certificate = makeCertificate(NAME)
const stranger = makeCertificate('other.example')
const LOGIN = { user: 'me', password: 'hunter2 & more' }

describe.skipIf(wantPostfix !== undefined)('Postfix as the next hop', () => {
  const parts = new AsyncDisposableStack()
  let mx: Mx
  let postfix: Postfix
  beforeAll(async () => {
    mx = parts.use(await startMx())
    postfix = parts.use(await startPostfix({ next: mx.port, certificate }))
  })
  afterAll(() => parts.disposeAsync())
  const taken = (part: string): Taken[] => mx.taken.filter(({ to }) => to[0]?.startsWith(part))

  for (const tls of ['opportunistic', 'required', 'verified'] as const)
    test(`takes mail over TLS that is ${tls}`, async () => {
      await using relay = await startBehind({ port: postfix.port, tls })
      await send(relay, `${tls}@far.example`, numbered(1, 5000))
      await until(
        () => taken(tls).length === 1,
        () => relay.said(),
      )
      expect(taken(tls)[0]!.content.toString('latin1')).toMatch(/\(using TLSv1\.3 with cipher/)
      await relay.emptied()
      const [entry] = await relay.entries('--state', 'delivered')
      expect(entry).toMatchObject({ to: `${tls}@far.example`, state: 'delivered', attempts: 1 })
    })

  test('hands on what we signed, and the signatures hold', async () => {
    const signing = newSigning('near.example')
    const files = signingFiles(signing)
    await using relay = await startBehind({ port: postfix.port, tls: 'required', files })
    const bodies = ['', 'one line\r\n', '..\r\n.\t \r\n\r\n\r\n', `Zoë ${'\u00a0'.repeat(20)} \r\n`]
    for (const [n, body] of bodies.entries()) {
      const header = `From: Zoë <app@near.example>\r\nTo: ok@far.example\r\nSubject:  a\r\n\t folded   one ${n}\r\n`
      const content = `${header}\r\n${stuffed(body)}`
      await send(relay, `signed-${n}@far.example`, content, ' BODY=8BITMIME SMTPUTF8')
    }
    await until(
      () => taken('signed').length === bodies.length,
      () => relay.said(),
    )
    for (const { content } of taken('signed'))
      expect(await mailauthSays(content, signing)).toEqual(['pass', 'pass'])
  })

  test('takes 300 messages over few connections', async () => {
    const connects = (): number => postfix.log().match(/smtpd\[\d+\]: connect from/g)?.length ?? 0
    const before = connects()
    await using relay = await startBehind({ port: postfix.port, tls: 'required' })
    await sendMany(relay, 'many', 300)
    await until(
      () => taken('many').length === 300,
      () => `300, not ${taken('many').length}`,
      30_000,
    )
    await relay.emptied()
    expect(connects() - before).toBeLessThanOrEqual(20)
  })
})

test.skipIf(wantPostfix !== undefined)(
  'Postfix is sent nothing when its certificate is not for its name',
  async () => {
    await using mx = await startMx()
    await using postfix = await startPostfix({ next: mx.port, certificate: stranger })
    await using relay = await startBehind({ port: postfix.port, tls: 'verified' })
    const id = await send(relay, 'ok@far.example', numbered(1, 500))
    await until(
      () => relay.said().includes('"suspended"'),
      () => relay.said(),
    )
    expect((await relay.waypost('trace', id)).out).toMatch(/certificate|altname/i)
    expect(await waiting(relay)).toHaveLength(1)
    expect(mx.taken).toEqual([])
  },
)

describe.skipIf(wantPostfix !== undefined)('smtp-sink as the next hop', () => {
  test('takes all of 200 messages', async () => {
    await using sink = await startSmtpSink()
    await using relay = await startProcess({ hop: sink.port })
    await sendMany(relay, 'ok', 200)
    await until(
      () => sink.count() === 200,
      () => `200, there are ${sink.count()}`,
    )
    await relay.emptied()
  })
})

describe.skipIf(wantAiosmtpd !== undefined)('aiosmtpd as the next hop', () => {
  test('takes mail after STARTTLS with a verified certificate and a login', async () => {
    await using server = await startAiosmtpd(certificate, LOGIN)
    await using relay = await startBehind({ port: server.port, tls: 'verified', login: true })
    const content = 'From: app@near.example\r\nSubject: Grüße\r\n\r\n..dot\r\n...\r\nZoë\r\n'
    await send(relay, 'ok@far.example', content, ' BODY=8BITMIME SMTPUTF8')
    await until(
      () => server.taken.length === 1,
      () => relay.said(),
    )
    expect(server.taken[0]).toMatchObject({
      tls: true,
      authenticated: true,
      from: 'app@near.example',
    })
    const arrived = Buffer.from(server.taken[0]!.content, 'latin1').toString('utf8')
    expect(arrived.endsWith('\r\n\r\n.dot\r\n..\r\nZoë\r\n')).toBe(true)
  })

  test('gets neither password nor mail when its certificate cannot be verified', async () => {
    await using server = await startAiosmtpd(stranger, LOGIN)
    await using relay = await startBehind({ port: server.port, tls: 'verified', login: true })
    await send(relay, 'ok@far.example', numbered(1, 500))
    await until(
      () => relay.said().includes('"suspended"'),
      () => relay.said(),
    )
    expect(server.taken).toEqual([])
    expect(relay.said()).not.toContain(LOGIN.password)
  })

  test('takes large content', async () => {
    await using server = await startAiosmtpd(certificate)
    await using relay = await startBehind({ port: server.port, tls: 'required' })
    await send(relay, 'ok@far.example', numbered(1, 8_000_000))
    await until(
      () => server.taken.length === 1,
      () => relay.said(),
    )
    expect(server.taken[0]!.content.length).toBeGreaterThan(8_000_000)
  })
})

interface Behind {
  readonly port: number
  readonly tls: string
  readonly login?: boolean
  readonly files?: Readonly<Record<string, string>>
}

/** A relay that sends all its mail to the smart host, whose authority it trusts. */
async function startBehind(hop: Behind): Promise<RelayProcess> {
  const dns = await startDns({ [NAME]: { A: ['127.0.0.1'] } })
  const login = hop.login === true ? ', user: me, password-env: SMARTHOST_PASSWORD' : ''
  const via = `{ host: ${NAME}, port: ${hop.port}, tls: ${hop.tls}${login} }`
  return startProcess({
    beside: [dns],
    routing: `- { to: ['*'], via: ${via}, queue: default }\n`,
    files: { 'ca.pem': certificate.ca, ...hop.files },
    environment: {
      WAYPOST_DNS: dns.server,
      NODE_EXTRA_CA_CERTS: 'CONFIG/ca.pem',
      SMARTHOST_PASSWORD: LOGIN.password,
    },
  })
}

/** Hands the relay a message and returns its id. */
async function send(
  relay: RelayProcess,
  to: string,
  content: string,
  parameters = '',
): Promise<string> {
  await using talk = await openTalk(relay.port)
  for (const line of [`MAIL FROM:<app@near.example>${parameters}`, `RCPT TO:<${to}>`, 'DATA'])
    expect(await talk.say(line)).toMatch(/^[23]/)
  talk.write(Buffer.from(content))
  const reply = await talk.say('.')
  expect(reply).toMatch(/^250 2\.0\.0 queued as /)
  return reply.split(' ').at(-1)!
}

async function sendMany(relay: RelayProcess, name: string, count: number): Promise<void> {
  await using talk = await openTalk(relay.port)
  for (let n = 0; n < count; n++) {
    const mail = { from: 'app@near.example', to: [`${name}-${n}@far.example`] }
    expect(await sendMail(talk, { ...mail, content: numbered(n, 2000) })).toMatch(/^250/)
  }
}

function stuffed(body: string): string {
  return body.replaceAll(/^\./gm, '..')
}

/** The files that make the relay sign for this domain. */
function signingFiles({ domain, keys }: Signing): Record<string, string> {
  const pem = (n: number): string => keys[n]!.key.export({ type: 'pkcs8', format: 'pem' }) as string
  const list = keys.map(({ selector }, n) => `{ selector: ${selector}, file: keys/${n}.pem }`)
  return {
    'keys/0.pem': pem(0),
    'keys/1.pem': pem(1),
    'policies/signing.yaml': `- domains: [${domain}]\n  keys: [ ${list.join(', ')} ]\n`,
  }
}

/** Postfix's sink, which counts what it takes. */
async function startSmtpSink(): Promise<{ port: number; count: () => number } & AsyncDisposable> {
  const port = await freePort()
  const words = ['-c', ...(process.getuid?.() === 0 ? ['-u', 'nobody'] : []), `127.0.0.1:${port}`]
  const child = spawn('/usr/sbin/smtp-sink', [...words, '100'], {
    stdio: ['ignore', 'pipe', 'ignore'],
  })
  let out = ''
  child.stdout.setEncoding('latin1').on('data', (text: string) => (out = (out + text).slice(-200)))
  const gone = once(child, 'close')
  await until(() => greets(port), 'smtp-sink')
  return {
    port,
    count: () => Number([...out.matchAll(/mesg=(\d+)/g)].at(-1)?.[1] ?? 0),
    async [Symbol.asyncDispose]() {
      child.kill()
      await gone
    },
  }
}
