// Clients that are not ours: what they send arrives as they sent it, over each kind of listener.

import { createTransport } from 'nodemailer'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { hashPassword } from '../../src/policy/password.ts'
import { makeCertificate } from '../peers/certificate.ts'
import { need } from '../peers/debian.ts'
import { startMx, type Mx, type Taken } from '../peers/mx.ts'
import { run, startProcess, until, type Ran, type RelayProcess } from '../peers/process.ts'

const wantSource = await need('postfix')
const wantSwaks = await need('swaks', 'libnet-ssleay-perl')
const wantPython = await need('python3')
const wantCurl = await need('curl')
const PASSWORD = 'correct horse battery staple'
const certificate = makeCertificate('localhost', '127.0.0.1')
const parts = new AsyncDisposableStack()
let mx: Mx
let relay: RelayProcess
let ca: string

beforeAll(async () => {
  mx = parts.use(await startMx())
  const password = await hashPassword(PASSWORD)
  const users = `billing: { password: '${password}', senders: [billing.example] }\n`
  relay = parts.use(
    await startProcess({
      hop: mx.port,
      listeners: ['submission', 'submissions'],
      files: {
        'policies/users.yaml': users,
        'cert.pem': certificate.cert,
        'key.pem': certificate.key,
      },
      environment: { WAYPOST_TLS_CERT: 'CONFIG/cert.pem', WAYPOST_TLS_KEY: 'CONFIG/key.pem' },
    }),
  )
  ca = relay.file('ca.pem', certificate.ca)
})
afterAll(() => parts.disposeAsync())

describe.skipIf(wantSource !== undefined)('smtp-source', () => {
  test('sends 300 messages over 10 reused connections, and all arrive', async () => {
    const words = ['-s', '10', '-m', '300', '-l', '3000', '-d', '-N', '-f', 'app@near.example']
    const to = ['-t', 'source@far.example', `127.0.0.1:${relay.port}`]
    expect(await run('/usr/sbin/smtp-source', [...words, ...to])).toMatchObject({ code: 0 })
    const arrived = (): number => recipients('source@far.example').size
    await until(
      () => arrived() === 300,
      () => `300 messages, there are ${arrived()}`,
    )
  })

  test('sends with a connection for each message', async () => {
    const words = ['-s', '5', '-m', '50', '-l', '300', '-N', '-f', 'app@near.example']
    const to = ['-t', 'single@far.example', `127.0.0.1:${relay.port}`]
    expect(await run('/usr/sbin/smtp-source', [...words, ...to])).toMatchObject({ code: 0 })
    await until(() => recipients('single@far.example').size === 50, '50 messages')
  })
})

describe.skipIf(wantSwaks !== undefined)('swaks', () => {
  test('sends in clear', async () => {
    expect(await swaks(relay.port, 'clear@far.example', 'a@near.example')).toMatchObject({
      code: 0,
    })
    expect((await arrival('clear@far.example')).from).toBe('a@near.example')
  })

  test('upgrades with STARTTLS and finds the certificate sound', async () => {
    const ran = await swaks(relay.port, 'tls@far.example', 'a@near.example', '--tls', ...trust())
    expect(ran).toMatchObject({ code: 0 })
    expect(received(await arrival('tls@far.example'))).toMatch(/ with ESMTPS /)
  })

  test('logs in with PLAIN on a submission port', async () => {
    const login = ['--tls', ...trust(), ...auth('PLAIN', PASSWORD)]
    const ran = await swaks(relay.ports[0]!, 'plain@far.example', 'a@billing.example', ...login)
    expect(ran).toMatchObject({ code: 0 })
    expect(received(await arrival('plain@far.example'))).toMatch(/ with ESMTPSA /)
  })

  test('logs in with LOGIN where TLS is implicit', async () => {
    const login = ['--tlsc', ...trust(), ...auth('LOGIN', PASSWORD)]
    const ran = await swaks(relay.ports[1]!, 'login@far.example', 'a@billing.example', ...login)
    expect(ran).toMatchObject({ code: 0 })
    expect(received(await arrival('login@far.example'))).toMatch(/ with ESMTPSA /)
  })

  const refusals: [why: string, from: string, words: readonly string[], reply: RegExp][] = [
    ['without TLS', 'a@billing.example', [], /530 5\.7\.0 /],
    ['without a login', 'a@billing.example', ['--tls'], /530 5\.7\.0 /],
    [
      'with a wrong password',
      'a@billing.example',
      ['--tls', ...auth('PLAIN', 'x')],
      /535 5\.7\.8 /,
    ],
    ['as somebody else', 'a@other.example', ['--tls', ...auth('PLAIN', PASSWORD)], /550 5\.7\.1 /],
  ]
  for (const [why, from, words, reply] of refusals)
    test(`is refused on a submission port ${why}`, async () => {
      const ran = await swaks(relay.ports[0]!, 'refused@far.example', from, ...words)
      expect(ran.code).not.toBe(0)
      expect(ran.out).toMatch(reply)
    })

  test('sends 10 MB', async () => {
    const big = relay.file('big.txt', `${'0123456789'.repeat(7)}\n`.repeat(10_000_000 / 71))
    const words = ['--attach-type', 'text/plain', '--attach', `@${big}`]
    expect(await swaks(relay.port, 'big@far.example', 'a@near.example', ...words)).toMatchObject({
      code: 0,
    })
    expect((await arrival('big@far.example')).content.length).toBeGreaterThan(10_000_000)
  })
})

describe('nodemailer', () => {
  test('sends over a pool with a login, with attachments and names in many scripts', async () => {
    const transport = createTransport({
      host: '127.0.0.1',
      port: relay.ports[1]!,
      secure: true,
      pool: true,
      auth: { user: 'billing', pass: PASSWORD },
      tls: { ca: certificate.ca },
    })
    const numbers = Array.from({ length: 20 }, (_, n) => n)
    const sent = await Promise.all(
      numbers.map((n) =>
        transport.sendMail({
          from: 'Zoë <zoe@billing.example>',
          to: `node-${n}@far.example`,
          subject: `Größe ${n} 日本`,
          text: 'Grüße\n.\n..\nend',
          attachments: [{ filename: 'ä.bin', content: Buffer.alloc(50_000, n) }],
        }),
      ),
    )
    transport.close()
    expect(sent.map(({ response }) => response)).toEqual(
      numbers.map(() => expect.stringMatching(/^250 2\.0\.0 queued as /) as string),
    )
    for (const n of numbers)
      expect((await arrival(`node-${n}@far.example`)).content.length).toBeGreaterThan(60_000)
  })

  test('hands over what it wants to know of the delivery', async () => {
    const transport = createTransport({ host: '127.0.0.1', port: relay.port, tls: trusted() })
    await transport.sendMail({
      from: 'a@near.example',
      to: 'dsn@far.example',
      text: 'hello',
      dsn: {
        id: 'x+1',
        return: 'headers',
        notify: ['failure', 'delay'],
        recipient: 'o@near.example',
      },
    })
    transport.close()
    const { commands } = await arrival('dsn@far.example')
    expect(commands[0]).toMatch(/ RET=HDRS/)
    expect(commands[0]).toMatch(/ ENVID=x\+2B1/)
    expect(commands[1]).toMatch(/ NOTIFY=FAILURE,DELAY/)
    expect(commands[1]).toMatch(/ ORCPT=rfc822;o@near\.example/)
  })
})

describe.skipIf(wantPython !== undefined)('smtplib', () => {
  test('sends 8-bit content, non-ASCII addresses and wishes about notices', async () => {
    const body = 'From: a@near.example\r\nSubject: Grüße\r\n\r\nline\r\n.dot\r\n..dots\r\nZoë\r\n'
    const ran = await python(`
smtp.starttls(context=ssl.create_default_context(cafile=${quoted(ca)}))
smtp.ehlo()
smtp.sendmail('zoë@near.example', ['bö@far.example'], ${quoted(body)}.encode(),
  mail_options=['BODY=8BITMIME', 'SMTPUTF8', 'RET=FULL', 'ENVID=QQ314159'],
  rcpt_options=['NOTIFY=SUCCESS,FAILURE', 'ORCPT=utf-8;b\\\\x{F6}@far.example'])
`)
    expect(ran).toMatchObject({ code: 0 })
    const { commands, content, from } = await arrival('bö@far.example')
    expect(from).toBe('zoë@near.example')
    expect(commands[0]).toMatch(/ SMTPUTF8/)
    expect(commands[0]).toMatch(/ BODY=8BITMIME/)
    expect(commands[0]).toMatch(/ ENVID=QQ314159/)
    expect(commands[1]).toMatch(/ NOTIFY=SUCCESS,FAILURE/)
    expect(content.toString('utf8')).toContain('\r\n\r\nline\r\n.dot\r\n..dots\r\nZoë\r\n')
  })

  test('sends many recipients at once', async () => {
    const ran = await python(`
to = ['many-%d@far.example' % n for n in range(250)]
assert smtp.sendmail('a@near.example', to, b'Subject: many\\r\\n\\r\\nhello\\r\\n') == {}
`)
    expect(ran).toMatchObject({ code: 0 })
    await until(() => recipients('many-').size === 250, '250 recipients')
  })

  test('reads what the relay offers', async () => {
    const ran = await python(`print(sorted(smtp.esmtp_features))`)
    for (const name of ['8bitmime', 'chunking', 'dsn', 'enhancedstatuscodes', 'pipelining'])
      expect(ran.out).toContain(`'${name}'`)
    for (const name of ['size', 'smtputf8', 'starttls']) expect(ran.out).toContain(`'${name}'`)
  })
})

describe.skipIf(wantCurl !== undefined)('curl', () => {
  const cases: [scheme: string, port: () => number, words: readonly string[]][] = [
    ['smtp in clear', () => relay.port, []],
    ['smtp with STARTTLS', () => relay.port, ['--ssl-reqd']],
    ['submission', () => relay.ports[0]!, ['--ssl-reqd', '--user', `billing:${PASSWORD}`]],
    ['smtps', () => relay.ports[1]!, ['--user', `billing:${PASSWORD}`]],
  ]
  for (const [name, port, words] of cases)
    test(`sends over ${name}`, async () => {
      const to = `curl-${name.replaceAll(' ', '-')}@far.example`
      const scheme = name === 'smtps' ? 'smtps' : 'smtp'
      const url = `${scheme}://127.0.0.1:${port()}/app.near.example`
      const who = ['--mail-from', 'a@billing.example', '--mail-rcpt', to, '--cacert', ca]
      const mail = 'From: a@billing.example\r\nSubject: curl\r\n\r\nhello\r\n.\r\nthere\r\n'
      const all = ['-sS', '--url', url, ...who, ...words, '-T', '-']
      const ran = await run('curl', all, process.env, mail)
      expect(ran).toMatchObject({ code: 0 })
      expect((await arrival(to)).content.toString()).toContain('\r\n\r\nhello\r\n.\r\nthere\r\n')
    })
})

async function arrival(to: string): Promise<Taken> {
  const find = (): Taken | undefined => mx.taken.find((taken) => taken.to.includes(to))
  await until(
    () => find() !== undefined,
    () => `mail for ${to}\n${relay.said()}`,
  )
  return find()!
}

function recipients(part: string): Set<string> {
  return new Set(mx.taken.flatMap(({ to }) => to).filter((to) => to.includes(part)))
}

/** Our Received field, unfolded. */
function received({ content }: Taken): string {
  const [field = ''] = /^Received: .*(\r\n[ \t].*)*/m.exec(content.toString('latin1')) ?? []
  return `${field.replaceAll(/\r\n[ \t]+/g, ' ')} `
}

function swaks(port: number, to: string, from: string, ...words: string[]): Promise<Ran> {
  const server = ['--server', '127.0.0.1', '--port', String(port), '--helo', 'app.near.example']
  return run('swaks', [...server, '--from', from, '--to', to, ...words])
}

function trust(): string[] {
  return ['--tls-verify', '--tls-ca-path', ca]
}

function trusted(): { readonly ca: string } {
  return { ca: certificate.ca }
}

function auth(mechanism: string, password: string): string[] {
  return ['--auth', mechanism, '--auth-user', 'billing', '--auth-password', password]
}

/** Debian's Python, with a connection `smtp` to the relay. */
function python(body: string): Promise<Ran> {
  const head = `import smtplib, ssl\nsmtp = smtplib.SMTP('127.0.0.1', ${relay.port}, 'app.near.example')\nsmtp.ehlo()\n`
  const tail = `smtp.quit()\n`
  return run('/usr/bin/python3', ['-'], process.env, head + body.trimStart() + '\n' + tail)
}

function quoted(text: string): string {
  return JSON.stringify(text)
}
