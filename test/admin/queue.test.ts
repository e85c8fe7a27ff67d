import { mkdtemp, readdir, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { startControl } from '../../src/admin/control/control.ts'
import { systemClock } from '../../src/base/clock.ts'
import { RefusedMail } from '../../src/events/refused-mail.ts'
import { parseAddress } from '../../src/mail/address.ts'
import type { Destination } from '../../src/mail/destination.ts'
import type { Queue } from '../../src/queue/port/queue.ts'
import type { MessageId } from '../../src/queue/port/types.ts'
import { readAddress } from '../../src/queue/bullmq/link/address.ts'
import { openSqliteQueue } from '../../src/queue/sqlite/queue.ts'
import { waypost, type Run } from './run.ts'

let folder = ''
let queue: Queue | undefined
let control: AsyncDisposable | undefined

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'waypost-admin-'))
  const opened = await openSqliteQueue({
    folder,
    clock: systemClock,
    historyAge: 3_600_000,
    historySize: 1e9,
    diskReserve: 0,
  })
  queue = opened
  control = await startControl({ folder, queue: opened })
})

afterEach(async () => {
  await stopRelay()
  await rm(folder, { recursive: true, force: true })
})

async function stopRelay(): Promise<void> {
  await control?.[Symbol.asyncDispose]()
  await queue?.[Symbol.asyncDispose]()
  control = queue = undefined
}

function run(words: string | readonly string[], context = {}): Promise<Run> {
  return waypost(words, { data: folder, context })
}

function accept(from: string, ...to: string[]): Promise<MessageId> {
  return acceptBytes(Buffer.from('Subject: x\r\n\r\nx\r\n'), from, to)
}

async function acceptBytes(bytes: Buffer, from: string, to: string[]): Promise<MessageId> {
  const now = Date.now()
  const id = queue!.newId()
  const recipients = to.map((address) => ({ address: parseAddress(address)! }))
  await queue!.accept({
    id,
    at: now,
    envelope: {
      sender: parseAddress(from),
      recipients,
      submitter: { client: '192.0.2.7', protocol: 'ESMTP', rule: 'relay.yaml:1' },
      size: bytes.length,
      eightBit: false,
      smtpUtf8: false,
      fromDomains: [],
    },
    content: await queue!.store(id, bytes),
    deliveries: recipients.map(({ address }, n) => ({
      destination: address.domain as string as Destination,
      queue: 'default',
      rule: 'routing.yaml:4',
      priority: 10,
      recipients: [n],
      due: now,
      expireAt: now + 86_400_000,
    })),
  })
  return id
}

test('list prints one object a recipient, with every key a program relies on', async () => {
  const id = await accept('ana@near.example', 'bo@far.example', 'cy@other.example')
  const { code, json } = await run('queue list --json')
  expect(code).toBe(0)
  expect(json).toHaveLength(2)
  const bo = json.find(({ to }) => to === 'bo@far.example')
  expect(bo).toMatchObject({
    id,
    delivery: `${id}-1`,
    state: 'waiting',
    from: 'ana@near.example',
    queue: 'default',
    destination: 'far.example',
    attempts: 0,
    next: expect.stringMatching(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/),
    reply: null,
  })
})

test('filters narrow the list, and a list of nothing fails', async () => {
  await accept('ana@near.example', 'bo@far.example', 'cy@other.example')
  const cases: [words: string, to: string[]][] = [
    ['--to bo@far.example', ['bo@far.example']],
    ['--domain other.example', ['cy@other.example']],
    ['--destination far.example', ['bo@far.example']],
    ['--from ana@near.example --domain far.example', ['bo@far.example']],
    ['--newer-than 1h --to far.example', ['bo@far.example']],
    ['--older-than 1h', []],
    ['--from dan@near.example', []],
    ['--state held', []],
    ['--attempts 1', []],
  ]
  for (const [words, to] of cases) {
    const { code, json } = await run(`queue list --json ${words}`)
    expect([words, json.map((entry) => entry['to'])]).toEqual([words, to])
    expect(code).toBe(to.length === 0 ? 1 : 0)
  }
})

test('reading works while the relay is down, and leaves no file', async () => {
  const id = await accept('ana@near.example', 'bo@far.example')
  await stopRelay()
  const before = await readdir(folder)
  expect((await run('queue list')).out).toContain(`${id}-1`)
  expect((await run(`trace ${id}`)).out).toContain('routing.yaml:4')
  expect((await run('queue counts --by domain')).out).toContain('far.example')
  expect(await readdir(folder)).toEqual(before)
})

test('mail is held, released and cancelled while the relay is down', async () => {
  const id = await accept('ana@near.example', 'bo@far.example')
  await stopRelay()
  const hold = await run(['queue', 'hold', '--all', '--reason', 'a restore', '--yes'])
  expect(hold).toMatchObject({ code: 0, out: expect.stringContaining('1 recipient held') })
  expect((await run('queue holds')).out).toContain('a restore')
  expect(await run(`queue release ${id}`)).toMatchObject({ code: 1 })
  const release = await run('queue release --all --yes')
  expect(release.out).toContain('1 recipient released')
  const cancel = await run(['queue', 'cancel', id, '--reason', 'sent since'])
  expect(cancel).toMatchObject({ code: 0, out: '1 recipient cancelled\n' })
  expect((await run(`trace ${id}`)).out).toContain('by ana: sent since')
})

test('where no queue is none is made, and where another holds it that is told', async () => {
  const held = ['queue', 'hold', '--all', '--reason', 'x', '--yes']
  await control?.[Symbol.asyncDispose]()
  control = undefined
  const locked = await run(held)
  expect(locked).toMatchObject({ code: 1, err: expect.stringContaining('holds it') })
  const empty = await mkdtemp(join(folder, 'empty-'))
  for (const words of [held, ['backup', join(folder, 'copy')]]) {
    const { code, err } = await waypost(words, { data: empty })
    expect([code, err]).toEqual([1, expect.stringContaining('there is no queue.db in it')])
  }
  expect(await readdir(empty)).toEqual([])
})

test('the control socket is for its owner alone', async () => {
  const { mode } = await stat(join(folder, 'control.sock'))
  expect(mode & 0o777).toBe(0o600)
})

test('another user than the owner of the data folder is refused', async () => {
  const { code, err } = await run('queue list', { uid: 12_345 })
  expect(code).toBe(1)
  expect(err).toContain('run this as its owner: sudo -u')
})

test('on a narrow terminal a list has its age, its time and its reply within 80 columns', async () => {
  await accept('somebody.with.a.long.name@near.example', 'somebody.else.altogether@far.example')
  const { out } = await run('queue list', { columns: 80 })
  const [titles = '', row = ''] = out.split('\n')
  expect(titles).toMatch(/^DELIVERY +STATE +AGE +TRIED +WHEN +FROM +TO +REPLY$/)
  expect(row).toMatch(/^\w+-1 +waiting +1s +0 +now +somebody\S+ +somebody\S+$/)
  expect(row.length).toBeLessThanOrEqual(80)
})

test('an act that fits nothing says which states it is for', async () => {
  const id = await accept('ana@near.example', 'bo@far.example')
  const released = await run(`queue release ${id}`)
  expect(released).toMatchObject({ code: 1, out: '' })
  expect(released.err).toBe('Nothing with such an id fits: release is for what is held\n')
  const retried = await run('queue retry --domain other.example --yes')
  expect(retried).toMatchObject({ code: 1, err: 'Nothing fits: retry is for what is waiting\n' })
})

test('a bulk act without --yes says how many it would touch, and does nothing', async () => {
  await accept('ana@near.example', 'bo@far.example', 'cy@far.example')
  const words = ['queue', 'cancel', '--domain', 'far.example', '--reason', 'by mistake']
  const asked = await run(words)
  expect(asked).toMatchObject({ code: 1, err: expect.stringContaining('cancel 2 recipients') })
  expect((await run('queue list --json')).json).toHaveLength(2)
  const done = await run([...words, '--yes', '--json'])
  expect(done.json).toEqual([{ act: 'cancel', count: 2, busy: 0 }])
  const ended = await run('queue list --state cancelled --json')
  expect(ended.json).toHaveLength(2)
})

test('ending or stopping mail needs a reason, and every act needs to say which', async () => {
  for (const act of ['hold', 'refuse', 'cancel'])
    expect(await run(`queue ${act} --all --yes`)).toMatchObject({
      code: 2,
      err: expect.stringContaining('--reason'),
    })
  expect((await run('queue retry')).code).toBe(2)
})

test('who acted and why is in the trace', async () => {
  const id = await accept('ana@near.example', 'bo@far.example')
  const held = await run(['queue', 'hold', id, '--reason', 'look at it'])
  expect(held).toMatchObject({ code: 0, out: '1 recipient held\n' })
  const trace = await run(`trace ${id}`)
  expect(trace.out).toMatch(/ hold +by ana: look at it/)
  expect(trace.out).toContain('bo@far.example: held by ana: look at it')
  expect((await run(`queue release ${id}`)).out).toBe('1 recipient released\n')
  expect((await run(`queue release ${id}`)).code).toBe(1)
})

test('a hold on a destination stands, covers new mail, and ends as it was named', async () => {
  await accept('ana@near.example', 'bo@far.example')
  const hold = ['queue', 'hold', '--destination', 'far.example', '--reason', 'outage']
  expect((await run(hold)).err).toContain('hold 1 recipient, and new mail until it is released')
  expect((await run('queue holds')).out).toBe('No hold stands\n')
  expect((await run([...hold, '--yes'])).out).toContain('stands and covers new mail')
  await accept('ana@near.example', 'cy@far.example')
  await accept('ana@near.example', 'dan@other.example')
  const held = await run('queue list --state held --json')
  expect(new Set(held.json.map(({ to }) => to))).toEqual(
    new Set(['bo@far.example', 'cy@far.example']),
  )
  expect((await run('queue holds --json')).json).toMatchObject([
    { scope: { kind: 'destination', name: 'far.example' }, who: 'ana', why: 'outage' },
  ])
  const release = await run('queue release --destination far.example --yes')
  expect(release).toMatchObject({ code: 0, out: expect.stringContaining('has ended') })
  expect((await run('queue list --state held')).code).toBe(1)
  expect((await run('queue holds')).out).toBe('No hold stands\n')
})

test('mail under a hold that stands is not released or tried by its id, and is told which hold it is', async () => {
  const id = await accept('ana@near.example', 'bo@far.example')
  await run(['queue', 'hold', '--all', '--reason', 'a restore', '--yes'])
  const stands =
    'the hold on all mail (by ana: a restore) stands until `waypost queue release --all`\n'
  for (const [act, done] of [
    ['release', 'released'],
    ['retry', 'due now'],
  ] as const) {
    const { code, out, err } = await run(`queue ${act} ${id}`)
    expect([code, out, err]).toEqual([1, '', `1 recipient is not ${done}: ${stands}`])
    const kept = [{ scope: { kind: 'all' }, count: 1 }]
    const json = await run(`queue ${act} ${id} --json`)
    expect(json).toMatchObject({ code: 1, json: [{ act, count: 0, busy: 0, kept }] })
  }
  const trace = await run(`trace ${id}`)
  expect(trace.out).toContain(
    'held by ana: a restore (the hold on all mail); it waits until `waypost queue release --all`',
  )
  const list = await run('queue list')
  expect(list.out).toContain('hold on all mail: a restore')
  expect(list.err).toBe(`T${stands.slice(1)}`)
  expect((await run(`queue show ${id}`)).out).toContain(`T${stands.slice(1)}`)
  expect((await run('queue holds')).out).toContain('waypost queue release --all')
  const ended = await run('queue release --all --yes')
  expect(ended).toMatchObject({ code: 0, out: expect.stringContaining('1 recipient released') })
})

test('whoever releases a hold is told what another one keeps', async () => {
  await accept('ana@near.example', 'bo@far.example')
  await run(['queue', 'hold', '--all', '--reason', 'a restore', '--yes'])
  await run(['queue', 'hold', '--queue', 'default', '--reason', 'too much', '--yes'])
  const { code, out, err } = await run('queue release --all --yes')
  expect([code, out]).toEqual([0, '0 recipients released; the hold on all mail has ended\n'])
  expect(err).toBe(
    '1 recipient is not released: the hold on queue default (by ana: too much) stands until `waypost queue release --queue default`\n',
  )
  const retry = await run('queue retry --domain far.example --yes')
  expect(retry).toMatchObject({ code: 1, err: expect.stringContaining('`waypost queue holds`') })
})

test('mail that was refused is found by its addresses, and else it is said where to look', async () => {
  const refused = new RefusedMail()
  await control![Symbol.asyncDispose]()
  control = await startControl({ folder, queue: queue!, refused })
  refused.report({
    kind: 'refused',
    at: Date.now() - 120_000,
    client: '192.0.2.7',
    user: 'billing',
    command: 'RCPT TO:<ceo@other.example>\u001b[2J',
    reply: '550 5.7.1 Relaying is not allowed',
    rule: 'relay.yaml:18',
    from: 'app@near.example',
    to: [],
  })
  const found = await run('trace ceo@other.example')
  expect([found.code, found.err]).toEqual([0, ''])
  expect(found.out).toMatch(
    /^Refused 2m( \w+)? ago \(.*\): RCPT TO:<ceo@other\.example>.* from 192\.0\.2\.7 \(user billing\): 550 5\.7\.1 Relaying is not allowed \(relay\.yaml:18\)$/m,
  )
  expect(found.out).not.toContain('\u001b')
  expect((await run('trace app@near.example --json')).json).toMatchObject([
    { fact: 'refused', command: expect.stringContaining('ceo@other.example') as string },
  ])
  const none = await run('trace nobody@other.example')
  expect([none.code, none.err]).toEqual([1, expect.stringContaining('nor was any refused')])
  await stopRelay()
  expect((await run('trace ceo@other.example')).err).toContain('look for "refused"')
})

test('content is shown escaped or raw, beside a relay and without one, small and large', async () => {
  const content = (size: number): Promise<MessageId> => {
    const bytes = Buffer.from(`Subject: \u001b[2Jx\r\n\r\n${'y'.repeat(size)}\r\nend`)
    return acceptBytes(bytes, 'ana@near.example', ['bo@far.example'])
  }
  const [small, large] = [await content(10), await content(600_000)]
  for (const _ of ['beside', 'without']) {
    const shown = await run(`queue content ${small}`)
    expect(shown).toMatchObject({ code: 0, out: 'Subject: \\x1b[2Jx\n\nyyyyyyyyyy\nend\n' })
    const raw = await run(`queue content ${large}-1 --raw`)
    expect(raw.out).toBe(`Subject: \u001b[2Jx\r\n\r\n${'y'.repeat(600_000)}\r\nend`)
    await stopRelay()
  }
  const none = await run('queue content 00000000000')
  expect([none.code, none.err]).toEqual([1, expect.stringContaining('until the last recipient')])
})

test('counts answer a program with zero, and a person is told when no relay runs', async () => {
  const { json } = await run('queue counts --json')
  expect(json).toEqual(
    ['waiting', 'sending', 'held'].map((key) => ({ by: 'state', key, count: 0 })),
  )
  await accept('a@b.example', 'bo@far.example')
  expect((await run('queue counts --by user', { interactive: true })).err).toBe('')
  await stopRelay()
  const counts = await run('queue counts --by sender', { interactive: true })
  expect(counts.err).toBe(`No relay runs on "${folder}": this is what its queue was left with\n`)
  expect(counts.out).toMatch(/^a@b\.example +1$/m)
})

test('counts add up, and by age they are the table of qshape', async () => {
  await accept('ana@near.example', 'bo@far.example', 'cy@far.example')
  await accept('ana@near.example', 'dan@other.example')
  const { out } = await run('queue counts --by domain --age')
  const rows = out.split('\n').map((line) => line.trim().split(/ +/))
  expect(rows[1]).toEqual([
    'DOMAIN',
    'T',
    '5',
    '10',
    '20',
    '40',
    '80',
    '160',
    '320',
    '640',
    '1280',
    '1280+',
  ])
  expect(rows[2]?.slice(0, 4)).toEqual(['TOTAL', '3', '3', '0'])
  expect(rows[3]?.slice(0, 3)).toEqual(['far.example', '2', '2'])
  const { json } = await run('queue counts --by state --json')
  expect(json[0]).toEqual({ by: 'state', key: 'waiting', count: 3 })
})

test('an address is traced by its messages, newest first, and an unknown one fails', async () => {
  const first = await accept('ana@near.example', 'bo@far.example')
  const second = await accept('bo@far.example', 'ana@near.example')
  const { out } = await run('trace bo@far.example')
  expect(out.indexOf(second)).toBeGreaterThan(-1)
  expect(out.indexOf(first)).toBeGreaterThan(out.indexOf(second))
  expect((await run('trace nobody@far.example')).code).toBe(1)
  expect((await run('trace 0')).code).toBe(1)
  expect((await run(`trace ${first}-1`)).code).toBe(0)
})

test('show gives the envelope and the recipients', async () => {
  const id = await accept('ana@near.example', 'bo@far.example')
  const { out } = await run(`queue show ${id}`)
  expect(out).toContain('192.0.2.7')
  expect(out).toContain('bo@far.example')
  const { json } = await run(`queue show ${id} --json`)
  expect(json).toMatchObject([{ id, entries: [{ to: 'bo@far.example' }] }])
})

test('a backup is made while the relay runs, and never over a file', async () => {
  await accept('ana@near.example', 'bo@far.example')
  const file = join(folder, 'copy')
  expect((await run(`backup ${file}`)).code).toBe(0)
  expect((await stat(file)).size).toBeGreaterThan(0)
  expect(await run(`backup ${file}`)).toMatchObject({
    code: 1,
    err: expect.stringContaining('never overwritten'),
  })
})

test('a backup is made while the relay is down', async () => {
  const id = await accept('ana@near.example', 'bo@far.example')
  await stopRelay()
  const empty = await mkdtemp(join(folder, 'restored-'))
  expect((await run(`backup ${join(empty, 'queue.db')}`)).code).toBe(0)
  const list = await waypost('queue list', { data: empty })
  expect(list.out).toContain(`${id}-1`)
})

test('on a terminal a backup that takes its time says how far it is, on a line that goes', async () => {
  await accept('ana@near.example', 'bo@far.example')
  let now = 0
  const clock = { ...systemClock, now: () => (now += 1000) }
  const file = join(folder, 'copy')
  const { err } = await run(`backup ${file}`, { interactive: true, clock })
  expect(err).toMatch(/^\rCopied \S+ of about \S+/)
  expect(err).toMatch(/\r +\r$/)
  const quiet = await run(`backup ${file}2 --json`, { interactive: true, clock })
  expect([quiet.err, quiet.json]).toEqual(['', [{ path: `${file}2`, size: expect.any(Number) }]])
})

test('a backup of a queue in Redis says how that is done', async () => {
  const places = () => ({
    data: folder,
    config: folder,
    hostname: 'relay.example',
    redis: {
      address: readAddress('redis://127.0.0.1:1/0'),
      prefix: 'x',
      wish: { replicas: 0, relaxed: false },
    },
  })
  const { code, err } = await run(`backup ${join(folder, 'copy')}`, { places })
  expect([code, err]).toEqual([1, expect.stringContaining('redis-cli --rdb')])
})

test('a backup into a folder that is not there says so', async () => {
  const { code, err } = await run(['backup', join(folder, 'nowhere', 'queue.db')])
  expect(code).toBe(1)
  expect(err).toContain(`There is no folder "${join(folder, 'nowhere')}"`)
})

test('a data folder that is not there is named, with what to set', async () => {
  const { code, err } = await waypost('queue list', { data: join(folder, 'none') })
  expect(code).toBe(1)
  expect(err).toContain('there is no such folder; set WAYPOST_DATA')
})
