import { mkdir, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import {
  matchRecords,
  newKey,
  publicPart,
  recordText,
  zoneLine,
} from '../../src/admin/cli/dkim-keys.ts'
import { startDns } from '../peers/dns.ts'
import { waypost } from './run.ts'

let config = ''

beforeEach(async () => {
  config = await mkdtemp(join(tmpdir(), 'waypost-keys-'))
  await mkdir(join(config, 'policies'))
  await mkdir(join(config, 'queues'))
})

afterEach(async () => {
  await rm(config, { recursive: true, force: true })
})

test('key new makes two keys that only their owner can read, and never writes over one', async () => {
  const first = await waypost('key new Example.COM --selector 2026', { config })
  expect(first.code).toBe(0)
  for (const name of ['s2026', 'e2026']) {
    const { mode } = await stat(join(config, 'keys/example.com', `${name}.pem`))
    expect(mode & 0o777).toBe(0o600)
  }
  const before = await readFile(join(config, 'keys/example.com/s2026.pem'), 'utf8')
  const second = await waypost('key new example.com --selector 2026', { config })
  expect(second.code).toBe(1)
  expect(second.err).toContain('never overwritten; choose another name with --selector')
  expect(await readFile(join(config, 'keys/example.com/s2026.pem'), 'utf8')).toBe(before)
})

test('a domain that would leave the folder of keys is no domain', async () => {
  for (const name of ['../../etc', 'a/b.example', '[192.0.2.1]', '.', ''])
    expect((await waypost(['key', 'new', name], { config })).code).toBe(2)
})

test('the lines that key new prints for signing.yaml are read without a mistake', async () => {
  const { out } = await waypost('key new example.com', { config })
  const lines = out.slice(out.indexOf('- domains:'))
  await writeFile(join(config, 'policies/signing.yaml'), lines)
  const check = await waypost('policy check --json', { config })
  expect(check.json.filter(({ level }) => level === 'error')).toEqual([])
  expect(check.code).toBe(0)
})

test('records longer than 255 bytes are split into strings, as zone files need', async () => {
  const key = await newKey('rsa')
  const line = zoneLine('s1', 'example.com', recordText(key))
  const strings = [...line.matchAll(/"([^"]*)"/g)].map(([, text]) => text!)
  expect(strings.length).toBe(2)
  expect(Math.max(...strings.map((text) => text.length))).toBeLessThanOrEqual(255)
  expect(strings.join('')).toBe(recordText(key))
})

test('a record is compared with the key: there, missing, another, revoked, of another kind', async () => {
  const [key, other] = [await newKey('ed25519'), await newKey('ed25519')]
  const record = recordText(key)
  const cases: [records: string[], kind: string][] = [
    [[record], 'matches'],
    [[`k=ed25519; t=y ;p = ${publicPart(key)}`], 'matches'],
    [[], 'missing'],
    [['v=spf1 -all'], 'missing'],
    [[recordText(other)], 'differs'],
    [['v=DKIM1; k=ed25519; p='], 'revoked'],
    [[`v=DKIM1; p=${publicPart(key)}`], 'wrong'],
    [[`v=DKIM1; k=ed25519; h=sha1; p=${publicPart(key)}`], 'wrong'],
    [[`v=DKIM1; k=ed25519; s=tlsrpt; p=${publicPart(key)}`], 'wrong'],
    [[record, record], 'wrong'],
  ]
  for (const [records, kind] of cases) expect(matchRecords(key, records).kind).toBe(kind)
})

test('a record that most verifiers refuse is wrong, and one that some refuse has a note', async () => {
  const key = await newKey('rsa')
  const { createPublicKey } = await import('node:crypto')
  const bare = createPublicKey(key).export({ type: 'pkcs1', format: 'der' }).toString('base64')
  const p = publicPart(key)
  const record = recordText(key)
  const folded = p.match(/.{1,40}/g)!.join(' \t')
  const cases: [records: string[], kind: string, note: RegExp | undefined][] = [
    [[record], 'matches', undefined],
    [[`p=${p}`], 'matches', undefined],
    [[`p=${p}; k=rsa; v=DKIM1`], 'matches', undefined],
    [[`v=DKIM1; s=email; t=s; h=sha1:sha256; g=*; x=1; p=${folded}`], 'matches', undefined],
    [[`v=DKIM1; t=y; p=${p}`], 'matches', /only a test/],
    [[`v= DKIM1; k=rsa; p=${p}`], 'matches', /Exim 4\.96 cannot read it/],
    [[`v = DKIM1 ; k=rsa; p=${p}`], 'matches', /Exim 4\.96 cannot read it/],
    [[`v=DKIM1; s=email:tlsrpt; p=${p}`], 'matches', /refuse s=email:tlsrpt/],
    [[`v=DKIM1; s=tlsrpt : email; p=${p}`], 'matches', /refuse s=tlsrpt:email/],
    [[`v=DKIM1; g=ana; p=${p}`], 'matches', /refuse g=ana/],
    [[`v=DKIM1; g=; p=${p}`], 'matches', /refuse g=,/],
    [[`v=DKIM1; k=rsa; p=${bare}`], 'wrong', /RSAPublicKey.*publish "v=DKIM1; k=rsa; p=/],
    [[record, 'v=spf1 -all'], 'wrong', /another TXT record/],
    [['v=spf1 -all', record], 'wrong', /another TXT record/],
    [[record, 'verification=1'], 'wrong', /2 records/],
    [[record, record], 'wrong', /2 records/],
    [[`v=DKIM1; K=rsa; P=${p}`], 'wrong', /K= is no tag: write k=/],
    [[`v=DKIM1 k=rsa; p=${p}`], 'wrong', /should be v=DKIM1;/],
    [['v=DKIM1; k=rsa'], 'wrong', /no p=/],
    [['v=spf1 -all'], 'missing', /no DKIM record/],
  ]
  for (const [records, kind, note] of cases) {
    const match = matchRecords(key, records)
    expect([records, match.kind]).toEqual([records, kind])
    if (note === undefined) expect(match).not.toHaveProperty('note')
    else expect(match.note).toMatch(note)
  }
})

test('key check asks DNS for each selector, and says what should be there', async () => {
  const made = await waypost('key new example.com --selector 1 --json', { config })
  const [rsa, ed25519] = made.json as { name: string; txt: string }[]
  await using dns = await startDns({ [ed25519!.name]: { TXT: [ed25519!.txt] } })
  const check = await waypost('key check example.com --json', { config, dns: dns.server })
  expect(check.code).toBe(1)
  expect(check.json).toMatchObject([
    { name: ed25519!.name, result: 'matches' },
    { name: rsa!.name, result: 'missing' },
  ])
})

test('a resolver that does not answer is not taken for a missing record', async () => {
  await waypost('key new example.com --selector 1', { config })
  await using dns = await startDns({
    's1._domainkey.example.com': 'servfail',
    'e1._domainkey.example.com': 'servfail',
  })
  const check = await waypost('key check example.com --json', { config, dns: dns.server })
  expect(check.code).toBe(1)
  expect(check.json.map(({ result }) => result)).toEqual(['unknown', 'unknown'])
})

test('a long key that UDP cuts short, behind an alias, is found at the second of two servers', async () => {
  const made = await waypost('key new example.com --selector 1 --json', { config })
  const [rsa, ed25519] = made.json as { name: string; txt: string }[]
  await using dns = await startDns({
    [rsa!.name]: { CNAME: 'keys.far.example' },
    'keys.far.example': { TXT: [rsa!.txt], long: true },
    [ed25519!.name]: { TXT: [ed25519!.txt] },
  })
  const servers = `127.0.0.1:1,${dns.server}` // nobody is at port 1
  const check = await waypost('key check example.com --json', { config, dns: servers })
  expect(check.json.map(({ result }) => result)).toEqual(['matches', 'matches'])
  expect(check.code).toBe(0)
  expect(dns.asked).toContain(`${rsa!.name} TXT tcp`)
})

test('a user is added with a generated password, listed and removed', async () => {
  const added = await waypost('user add billing --sender billing.example --generate --json', {
    config,
  })
  expect(added.json[0]).toMatchObject({ name: 'billing', senders: ['billing.example'] })
  expect(added.json[0]!['password']).toMatch(/^[\w-]{24}$/)
  const listed = await waypost('user list --json', { config })
  expect(listed.json).toMatchObject([
    { name: 'billing', where: expect.stringMatching('users.yaml') },
  ])
  expect(listed.out).not.toContain('argon2')
  expect((await waypost('user remove billing', { config })).code).toBe(0)
  expect((await waypost('user remove billing', { config })).code).toBe(1)
})

test('a changed password is another hash, and the senders stay', async () => {
  await waypost('user add billing --sender billing.example --generate', { config })
  const before = await readFile(join(config, 'policies/users.yaml'), 'utf8')
  const made = await waypost('user password billing --generate', { config })
  expect(made.code).toBe(0)
  expect(made.out).toMatch(/^Changed the password of "billing"\nPassword: [\w-]{24}\n$/)
  const after = await readFile(join(config, 'policies/users.yaml'), 'utf8')
  expect(after).not.toBe(before)
  expect((await waypost('user list --json', { config })).json).toMatchObject([
    { name: 'billing', senders: ['billing.example'] },
  ])
  const nobody = await waypost('user password nobody --generate', { config })
  expect(nobody).toMatchObject({ code: 1, err: expect.stringContaining('there is no such user') })
})

test('a password comes from standard input, and without anybody to ask it must', async () => {
  const piped = await waypost('user add ana --password-stdin', { config, input: 'correct horse\n' })
  expect(piped.code).toBe(0)
  const short = await waypost('user add bo --password-stdin', { config, input: 'short\n' })
  expect(short).toMatchObject({ code: 2, err: expect.stringContaining('8 to 1024 bytes') })
  const nobody = await waypost('user add cy', { config })
  expect(nobody).toMatchObject({ code: 2, err: expect.stringContaining('--password-stdin') })
})

test('policy check prints each mistake with file and line, and fails', async () => {
  await writeFile(join(config, 'policies/relay.yaml'), '- allow: { client: [10.0.0.0/8] }\n')
  const check = await waypost('policy check', { config })
  expect(check.code).toBe(1)
  expect(check.out).toMatch(/^relay\.yaml:1: error: /m)
})

test('policy explain tells what can be written, of all files, one file and one key', async () => {
  const all = await waypost('policy explain')
  expect(all.out.match(/^\S+\.yaml: /gm)).toHaveLength(7)
  const key = await waypost('policy explain routing.yaml via.tls')
  expect(key.out).toContain('  via.tls\n    what is asked of its TLS\n')
  expect(key.out).toContain('    default: opportunistic\n')
  const below = await waypost('policy explain signing keys --json')
  const rows = below.out
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as { key: string })
  expect(rows.map((row) => row.key)).toEqual(['keys', 'keys[].selector', 'keys[].file'])
})

test('a file or a key that there is not is told with the one that was meant', async () => {
  const file = await waypost('policy explain routin')
  expect(file).toMatchObject({ code: 2, err: expect.stringContaining('did you mean routing') })
  const key = await waypost('policy explain listen hop')
  expect(key).toMatchObject({ code: 2, err: expect.stringContaining('did you mean hops') })
  expect((await waypost('policy schema users.json')).code).toBe(2)
})

test('policy schema prints the JSON Schema of a file', async () => {
  const { code, out } = await waypost('policy schema queues/bulk.yaml')
  expect(code).toBe(0)
  expect(JSON.parse(out)).toMatchObject({ title: 'queues/*.yaml' })
})
