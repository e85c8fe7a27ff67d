// Lists with nothing in them: none at all, or a mistake, and never everybody.

import { expect, test } from 'vitest'
import { checkPolicy, loadPolicy } from '../../src/policy/load.ts'
import { createFolder } from './folder.ts'

const FILES = ['relay', 'users', 'routing', 'signing', 'listen', 'shaping', 'queues/slow']

for (const file of FILES) {
  test(`a file ${file}.yaml of [] says as much as an empty one`, async () => {
    await using none = await createFolder({ [`${file}.yaml`]: '[]\n' })
    await using empty = await createFolder({ [`${file}.yaml`]: '' })
    expect(await checkPolicy(none.path, {})).toEqual(await checkPolicy(empty.path, {}))
  })
}

test('with [] for rules nobody may send', async () => {
  await using folder = await createFolder({ 'relay.yaml': '[] # nobody\n' })
  const policy = await loadPolicy(folder.path, {})
  const request = { client: '127.0.0.1', listenerLoopback: true }
  expect(policy.mayRelay(request)).toMatchObject({ action: 'refuse' })
  expect(policy.mayRelay({ ...request, user: 'ana' })).toMatchObject({ action: 'refuse' })
})

const HASH = `$argon2id$v=19$m=19456,t=2,p=1$${'A'.repeat(22)}$${'A'.repeat(43)}`
const KEYS: [file: string, key: string, text: string][] = [
  ['relay', 'clients', '- allow: { clients: [], users: [ana] }'],
  ['relay', 'users', '- allow: { clients: [192.0.2.0/24], users: [] }'],
  ['relay', 'clients', '- refuse: { clients: [] }'],
  ['users', 'senders', `ana: { password: "${HASH}", senders: [] }`],
  ['routing', 'to', '- { to: [], via: mx }'],
  ['routing', 'from', '- { from: [], via: mx }'],
  ['routing', 'sign', '- { via: mx, sign: [] }'],
  ['signing', 'domains', '- { domains: [], keys: [{ selector: a, file: a.pem }] }'],
  ['signing', 'keys', '- { domains: [near.example], keys: [] }'],
  ['shaping', 'mx', '- { mx: [], connections: 1 }'],
  ['queues/slow', 'retry', 'retry: []'],
]
for (const [file, key, text] of KEYS) {
  test(`[] for "${key}" in ${file}.yaml is a mistake that says so: ${text.slice(0, 40)}`, async () => {
    await using folder = await createFolder({ [`${file}.yaml`]: text })
    const errors = (await checkPolicy(folder.path, {})).filter(({ level }) => level === 'error')
    expect(errors.map((one) => `${one.at}: ${one.text}`)).toEqual([
      `${file}.yaml:1: "${key}": is an empty list, should be a list with at least one value`,
    ])
  })
}
