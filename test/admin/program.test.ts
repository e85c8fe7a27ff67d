import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { array, assert, constant, property, string, tuple } from 'fast-check'
import { expect, test } from 'vitest'
import { formatTable } from '../../src/admin/cli/table.ts'
import { jsonLine } from '../../src/admin/story/plain.ts'
import { relative, roughly } from '../../src/admin/story/times.ts'
import { waypost } from './run.ts'

const COMMANDS = [
  'start',
  'settings',
  'queue list',
  'queue show',
  'queue content',
  'queue counts',
  'queue holds',
  'queue retry',
  'queue hold',
  'queue release',
  'queue refuse',
  'queue cancel',
  'trace',
  'send',
  'sink',
  'policy check',
  'policy explain',
  'policy schema',
  'policy route',
  'user add',
  'user list',
  'user password',
  'user remove',
  'key new',
  'key check',
  'backup',
]
for (const words of COMMANDS) {
  test(`\`waypost ${words} --help\` shows an example and succeeds`, async () => {
    const { code, out } = await waypost(`${words} --help`)
    expect(code).toBe(0)
    expect(out).toContain('Example:\n  $ ')
    expect(out).toContain(`waypost ${words}`)
    if (!['start', 'policy schema'].includes(words)) expect(out).toContain('--json')
    for (const line of out.split('\n')) expect(line.length).toBeLessThanOrEqual(110)
  })
}

test('wrong use is 2, and says what would be right', async () => {
  const cases: [words: string, says: string][] = [
    ['', 'Usage: waypost'],
    ['quue list', "unknown command 'quue'\n(Did you mean queue?)"],
    ['queue list --older-than yesterday', 'Write a duration such as 30m, 2h or 5d.'],
    ['queue list --state lost', 'States are waiting, sending'],
    ['queue list --to bo@', 'Write an address such as bo@far.example'],
    ['queue list --limit 0', 'Write a whole number from 1 on.'],
    ['queue list --nonsense', "unknown option '--nonsense'"],
    ['queue counts --by size', 'write state, queue, destination, domain'],
    ['queue retry', 'Say which: ids, filters such as --domain far.example, or --all'],
    ['queue retry ../../x', 'is no id, take one from `waypost queue list`'],
    ['trace', "missing required argument 'id-or-address'"],
    ['sink --listen here', 'Write an address and a port such as 127.0.0.1:2526.'],
    ['key new exa_mple..com', 'is no domain, write one such as example.com'],
    ['send bo', 'is no address, write one such as bo@far.example'],
  ]
  for (const [words, says] of cases) {
    const { code, err } = await waypost(words === '' ? [] : words)
    expect([words, err]).toEqual([words, expect.stringContaining(says)])
    expect([words, code]).toEqual([words, 2])
  }
})

test('the version is printed', async () => {
  expect(await waypost('--version')).toMatchObject({ code: 0, out: '1.2.3\n' })
})

test('settings shows no password, and says on a terminal whose variables these are', async () => {
  const environment = { WAYPOST_LISTEN: 'redis://ana:hush@db.example:hush/0?password=hush' }
  const context = { environment, interactive: true }
  for (const words of ['settings', 'settings --json']) {
    const { out, err } = await waypost(words, { context })
    expect(out).toContain('redis://…@db.example:…/0?password=…')
    expect(out + err).not.toContain('hush')
    expect(err).toContain('the variables of this shell')
  }
})

test('where mail would go is told with the rules that say so', async () => {
  const config = await mkdtemp(join(tmpdir(), 'waypost-route-'))
  for (const name of ['policies', 'queues']) await mkdir(join(config, name))
  const rules =
    '- { to: [partner.example], via: { host: 10.0.0.5 } }\n- { to: [far.example], via: mx }\n'
  await writeFile(join(config, 'policies/routing.yaml'), rules)
  try {
    const hop = await waypost('policy route app@near.example bo@partner.example', { config })
    expect(hop.out).toContain('goes    to 10.0.0.5:25, TLS opportunistic (routing.yaml:1)\n')
    expect(hop.out).toContain('queue   default, priority ')
    const mx = await waypost(['policy', 'route', '<>', 'bo@far.example'], { config })
    expect(mx.out).toContain('goes    to the MX hosts of far.example (routing.yaml:2)\n')
    const none = await waypost('policy route a@near.example bo@none.example', { config })
    expect([none.code, none.err]).toEqual([1, expect.stringContaining('550 5.4.4')])
    expect((await waypost('policy route nonsense bo@far.example', { config })).code).toBe(2)
    const json = await waypost('policy route a@near.example bo@far.example --json', { config })
    expect(json.json).toMatchObject([{ destination: 'far.example', rule: 'routing.yaml:2' }])
  } finally {
    await rm(config, { recursive: true })
  }
})

test('settings prints the manual, and what is set', async () => {
  const context = { environment: { WAYPOST_LISTEN: 'smtp://0.0.0.0:25' } }
  const { code, json } = await waypost('settings --json', { context })
  expect(code).toBe(0)
  expect(json).toEqual([
    {
      name: 'WAYPOST_LISTEN',
      default: 'smtp://127.0.0.1:2525',
      set: 'smtp://0.0.0.0:25',
      says: 'Where',
    },
  ])
})

test('an environment that cannot be read is wrong use, with every mistake on a line', async () => {
  const places = (): never => {
    const error = new Error('WAYPOST_X: is not a setting\nWAYPOST_DRAIN: "1" is no duration')
    error.name = 'SettingsError'
    throw error
  }
  const { code, err } = await waypost('queue list', { context: { places } })
  expect(code).toBe(2)
  expect(err).toBe(
    'waypost: WAYPOST_X: is not a setting\nwaypost: WAYPOST_DRAIN: "1" is no duration\n',
  )
})

test('no line of a table is longer than the terminal, whatever is in it', () => {
  const columns = [{ title: 'ID' }, { title: 'TO', least: 8 }, { title: 'REPLY', least: 8 }]
  const cell = string({ maxLength: 200 })
  assert(
    property(array(tuple(constant('0am6e1h6800-1'), cell, cell)), (rows) => {
      const lines = formatTable(columns, rows, 80).trimEnd().split('\n')
      expect(lines).toHaveLength(rows.length + 1)
      for (const line of lines) {
        expect(line.length).toBeLessThanOrEqual(80)
        expect(line).not.toMatch(/[\p{Cc}\p{Cf}]/u)
      }
    }),
  )
})

test('JSON lines give back what they were made of, and no terminal is steered by them', () => {
  assert(
    property(string({ unit: 'binary' }), (text) => {
      const line = jsonLine({ text })
      expect(line.slice(0, -1)).not.toMatch(/[\p{Cc}\p{Cf}\u2028\u2029]/u)
      expect(JSON.parse(line)).toEqual({ text })
    }),
  )
})

test('times are told from here', () => {
  expect(relative(240_000, 0)).toBe('in 4m')
  expect(relative(0, 11_040_000)).toBe('3h 4m ago')
  expect(relative(500, 0)).toBe('now')
  expect(roughly(28_000, 0)).toBe('in 28s')
  expect(roughly(0, 11_040_000)).toBe('3h ago')
})

test('help names no state that nothing comes to', async () => {
  for (const words of ['queue list', 'queue retry', 'queue counts']) {
    const { out } = await waypost(`${words} --help`)
    expect(out).not.toContain('suppressed')
  }
})
