// Each file in test/broken is one wrong policy: `relay/unknown-key.yaml` is read as relay.yaml, and
// `unknown-key.txt` beside it is what an operator must see, line for line. Files in `queues/`
// are read as queues/broken.yaml.

import { globSync, readFileSync } from 'node:fs'
import { basename, dirname } from 'node:path'
import { expect, test } from 'vitest'
import { checkPolicy, loadPolicy } from '../../src/policy/load.ts'
import { createFolder } from './folder.ts'

const ROOT = new URL('../broken/', import.meta.url).pathname
const PUBLIC =
  '-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=\n-----END PUBLIC KEY-----\n'

for (const path of globSync('*/*.yaml', { cwd: ROOT }).sort()) {
  const text = readFileSync(`${ROOT}${path}`)
  const expected = readFileSync(`${ROOT}${path.replace(/yaml$/, 'txt')}`, 'utf8')
  const kind = dirname(path)
  const name = kind === 'queues' ? 'queues/broken.yaml' : `${kind}.yaml`

  test(`${kind}: ${basename(path, '.yaml')} is told with its line`, async () => {
    await using folder = await createFolder({ 'keys/public.pem': PUBLIC, [name]: text })
    const findings = await checkPolicy(folder.path, { EMPTY: '', TWO_LINES: 'a\nb' })
    const errors = findings.filter((finding) => finding.level === 'error')
    expect(errors.map((one) => `${one.at}: ${one.text}\n`).join('')).toBe(expected)
  })
}

test('mistakes of all files are told at once, by file and line', async () => {
  await using folder = await createFolder({
    'relay.yaml': '- allow: {}\n- alow: { users: [x] }',
    'listen.yaml': 'size: 50\nhops: 0',
    'queues/x.yaml': 'priority: 0',
  })
  const failure = loadPolicy(folder.path, {})
  await expect(failure).rejects.toThrow(
    `Cannot use the policies in "${folder.path}": 5 mistakes
listen.yaml:1: "size": is "50", should be a size such as 50MB
listen.yaml:2: "hops": is "0", should be a whole number from 1 to 1000
queues/x.yaml:1: "priority": is "0", should be a whole number from 1 to 100
relay.yaml:1: "allow": names neither clients nor users, and so would fit everybody
relay.yaml:2: "alow": is no known key, did you mean "allow"`,
  )
})

test('a folder without policies and queues is a mistake', async () => {
  await expect(loadPolicy('/nowhere.invalid', {})).rejects.toThrow(
    `Cannot use the policies in "/nowhere.invalid": 2 mistakes
policies/: there is no such folder in "/nowhere.invalid": should be in the folder that WAYPOST_CONFIG names; \`waypost init\` writes it there
queues/: there is no such folder in "/nowhere.invalid": should be in the folder that WAYPOST_CONFIG names; \`waypost init\` writes it there`,
  )
})

test('files that would not be read are mistakes', async () => {
  await using folder = await createFolder({
    'realy.yaml': '',
    'policies/relay.yml': '',
    'queues/Bulk.yaml': '',
    'queues/urgent.yml': '',
    'routing.yaml': Buffer.from([0x2d, 0x20, 0xff]),
  })
  expect((await checkPolicy(folder.path, {})).map((one) => `${one.at}: ${one.text}`)).toEqual([
    'policies/relay.yml: is not read, should be named relay.yaml',
    'queues/Bulk.yaml: is no name of a queue, should be small letters, digits, - and _',
    'queues/urgent.yml: is not read, should be named urgent.yaml',
    'realy.yaml: is no known file of policies/, did you mean relay.yaml',
    'routing.yaml: cannot be read: it is no UTF-8 text',
  ])
})

test('a mistake cannot write to the terminal', async () => {
  await using folder = await createFolder({ 'routing.yaml': '- { via: mx, queue: "\\x1b[2J\\n" }' })
  const [finding] = await checkPolicy(folder.path, {})
  expect(finding?.text).toContain('is "\\x1b[2J\\x0a", but there is no file')
})

test('a wrong password is never repeated', async () => {
  await using folder = await createFolder({ 'users.yaml': 'ana: { password: hunter2 }' })
  const failure = await loadPolicy(folder.path, {}).catch(String)
  expect(failure).toContain('users.yaml:1: "password": is no argon2id hash')
  expect(failure).not.toContain('hunter2')
})
