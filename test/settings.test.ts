import { readFile, writeFile } from 'node:fs/promises'
import { expect, test } from 'vitest'
import { readSettings, SettingsError, TABLE } from '../src/settings/settings.ts'

test('an empty environment gives the defaults', () => {
  const settings = readSettings({})
  expect(settings.listen.listen).toEqual([{ scheme: 'smtp', host: '127.0.0.1', port: 2525 }])
  expect(settings.http.admin).toEqual({ host: '127.0.0.1', port: 8025 })
  expect(settings.queue.history).toEqual({ age: 7 * 86_400_000, size: undefined })
  expect(settings.process.drain).toBe(30_000)
  expect(settings.delivery.mxRefuse('127.0.0.1')).toBe(true)
})

test('every mistake is told at once, with what to write', () => {
  const wrong = { WAYPOST_LISTN: 'x', WAYPOST_DRAIN: 'soon', WAYPOST_CONNECTIONS: '-1' }
  const error = caught(() => readSettings(wrong))
  expect(error).toBeInstanceOf(SettingsError)
  expect(error.message).toContain('WAYPOST_LISTN: is not a setting, did you mean WAYPOST_LISTEN?')
  expect(error.message).toContain('WAYPOST_DRAIN: "soon" is no duration, write one such as 30s')
  expect(error.message).toContain('WAYPOST_CONNECTIONS: "-1" is no count')
})

const listens: [text: string, read: object][] = [
  ['smtp://0.0.0.0', { scheme: 'smtp', host: '0.0.0.0', port: 25 }],
  ['smtp://[::1]:2525', { scheme: 'smtp', host: '::1', port: 2525 }],
  [
    'smtp://127.0.0.1:2525?starttls',
    { scheme: 'smtp', host: '127.0.0.1', port: 2525, startTls: true },
  ],
  ['smtp://localhost:0', { scheme: 'smtp', host: 'localhost', port: 0 }],
]
for (const [text, read] of listens) {
  test(`${text} is an address to listen on`, () => {
    expect(readSettings({ WAYPOST_LISTEN: text }).listen.listen).toEqual([read])
  })
}

for (const text of ['127.0.0.1:25', 'http://127.0.0.1', 'smtp://a:99999', 'smtp://', ',']) {
  test(`${text} is no address to listen on`, () => {
    expect(() => readSettings({ WAYPOST_LISTEN: text })).toThrow('WAYPOST_LISTEN')
  })
}

test('a file that a setting names and that is not there is told with both names', () => {
  const error = caught(() => readSettings({ WAYPOST_POSTMASTER_FILE: '/nowhere.invalid' }))
  expect(error.message).toBe(
    'WAYPOST_POSTMASTER: WAYPOST_POSTMASTER_FILE names "/nowhere.invalid", which cannot be read: ENOENT',
  )
})

test('a submission listener without a certificate stops the start', () => {
  const error = caught(() => readSettings({ WAYPOST_LISTEN: 'submissions://127.0.0.1' }))
  expect(error.message).toContain('set WAYPOST_TLS_CERT and WAYPOST_TLS_KEY')
})

test('what Kubernetes injects for a Service is skipped with a warning', () => {
  const settings = readSettings({
    WAYPOST_SERVICE_HOST: '10.0.0.1',
    WAYPOST_SERVICE_PORT_SMTP: '25',
    WAYPOST_PORT: 'tcp://10.0.0.1:25',
    WAYPOST_PORT_25_TCP_ADDR: '10.0.0.1',
  })
  expect(settings.warnings.filter((text) => text.includes('Kubernetes'))).toHaveLength(4)
})

test('a host name that is not fully qualified warns', () => {
  const warned = (name: string): boolean =>
    readSettings({ WAYPOST_HOSTNAME: name }).warnings.some((text) => text.includes('fully'))
  expect(warned('relay')).toBe(true)
  expect(warned('relay.example.com')).toBe(false)
})

test('every setting says what it means', () => {
  for (const { from, says } of TABLE) {
    expect(from).toMatch(/^WAYPOST_[A-Z_]+$/)
    expect(says.length).toBeGreaterThan(20)
  }
})

function caught(call: () => unknown): Error {
  try {
    call()
  } catch (error) {
    return error as Error
  }
  throw new Error('nothing was thrown')
}

test('SETTINGS.md tells of every setting what the table says (GOLDEN=write writes its rows anew)', async () => {
  const page = new URL('../src/SETTINGS.md', import.meta.url)
  const rows = TABLE.map(
    ({ from, default: fallback, says }) =>
      `| \`${from}\` | ${fallback === '' ? '' : `\`${fallback}\``} | ${says} |\n`,
  )
  const text = await readFile(page, 'utf8')
  const right = text.replace(/(?<=\|---\|---\|---\|\n)(\|.*\|\n)*/, rows.join(''))
  if (process.env['GOLDEN'] === 'write') await writeFile(page, right)
  else expect(text).toBe(right)
})

test('every setting that the README names is one', async () => {
  const readme = await readFile(new URL('../README.md', import.meta.url), 'utf8')
  const known: string[] = TABLE.map(({ from }) => from)
  for (const name of new Set(readme.match(/WAYPOST_[A-Z_]+/g)))
    expect(known).toContain(name.replace(/_FILE$/, ''))
})

test('an object store needs Redis for the schedule', () => {
  const store = { WAYPOST_CONTENT: 's3://mail/relay?region=eu-central-1' }
  expect(caught(() => readSettings(store)).message).toBe(
    'WAYPOST_CONTENT: the embedded queue keeps content itself; set WAYPOST_REDIS',
  )
  const settings = readSettings({ ...store, WAYPOST_REDIS: 'redis://127.0.0.1:6379/0' })
  expect(settings.queue.redis?.content).toEqual({
    bucket: 'mail',
    prefix: 'relay',
    region: 'eu-central-1',
  })
})
