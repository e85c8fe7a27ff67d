// The files that come with the relay, and the shapes that its README shows.

import { generateKeyPairSync } from 'node:crypto'
import { readdir } from 'node:fs/promises'
import { expect, test } from 'vitest'
import { checkPolicy, loadPolicy } from '../../src/policy/load.ts'
import { DEFAULT_QUEUE } from '../../src/policy/queues.ts'
import { createFolder, policyOf } from './folder.ts'

const ROOT = new URL('../../', import.meta.url).pathname

test('the shipped policies hold without a doubt', async () => {
  expect(await checkPolicy(ROOT, {})).toEqual([])
  const { files } = await loadPolicy(ROOT, {})
  expect(files.filter((file) => file.missing)).toEqual([])
  expect(files).toHaveLength(6 + (await readdir(`${ROOT}queues`)).length - 1)
})

test('the shipped default queue is the built-in one', async () => {
  const { at, ...shipped } = (await loadPolicy(ROOT, {})).queue('default')
  expect({ ...shipped, at: DEFAULT_QUEUE.at }).toEqual(DEFAULT_QUEUE)
  expect(at).toBe('queues/default.yaml:4')
})

test('the shipped listen.yaml says the defaults', async () => {
  const shipped = await loadPolicy(ROOT, {})
  expect(shipped.listen).toEqual((await policyOf({})).listen)
})

test('missing files count as empty, and are named', async () => {
  const policy = await policyOf({ 'queues/bulk.yaml': 'priority: 90' })
  expect(policy.files.map(({ name, missing }) => `${name} ${missing}`)).toEqual([
    'listen.yaml true',
    'relay.yaml true',
    'users.yaml true',
    'routing.yaml true',
    'signing.yaml true',
    'shaping.yaml true',
    'queues/default.yaml true',
    'queues/bulk.yaml false',
  ])
  expect(policy.queue('default')).toEqual(DEFAULT_QUEUE)
})

test('files of editors and Kubernetes are left alone', async () => {
  await using folder = await createFolder({
    'policies/.relay.yaml.swp': '\0',
    'policies/relay.yaml~': 'wrong',
    'policies/..data/relay.yaml': 'wrong',
    'policies/README.md': '# wrong: [',
  })
  expect(await checkPolicy(folder.path, {})).toEqual([])
})

test('everything that the documentation shows can be written', async () => {
  const key = generateKeyPairSync('ed25519').privateKey.export({ type: 'pkcs8', format: 'pem' })
  const hash =
    '$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4'
  await using folder = await createFolder({
    'relay.yaml': `# tried in order
- allow: { clients: [127.0.0.0/8, '::1/128'] }
- allow: { users: ['*'] }
`,
    'users.yaml': `billing: { password: '${hash}', senders: [billing.example, invoices@x.example] }`,
    'routing.yaml': `- { to: [intranet.example, '*.corp.example'], via: { host: 10.0.0.5, port: 2525, tls: none } }   # none
- { to: ['*'], via: { host: smarthost.example, port: 587, tls: verified, user: me, password-env: SMARTHOST_PASSWORD } }
- { to: ['*'], from: [otp.example], via: mx, queue: urgent }
- { to: ['*'], via: mx, queue: default }
`,
    'keys/x.example/s2026.pem': key,
    'keys/x.example/e2026.pem': key,
    'signing.yaml': `- domains: [x.example, '*.x.example']
  keys: [ { selector: s2026, file: keys/x.example/s2026.pem }, { selector: e2026, file: keys/x.example/e2026.pem } ]   # both
`,
    'shaping.yaml': `- { default: true, connections: 20, messages-per-connection: 100 }
- { mx: ['*.big.example'], connections: 50 }
`,
    'queues/urgent.yaml': 'priority: 1\nretry: [10s, 500ms]\ngive-up-after: 30m\nwarn-after: 10m',
  })
  const findings = await checkPolicy(folder.path, { SMARTHOST_PASSWORD: 'x' })
  expect(findings.map(({ level, at, text }) => `${level} ${at}: ${text}`)).toEqual([
    'warning routing.yaml:3: never decides: routing.yaml:2 fits all that it fits, and comes first',
    'warning routing.yaml:4: never decides: routing.yaml:2 fits all that it fits, and comes first',
  ])
})
