import { generateKeyPairSync } from 'node:crypto'
import { rename, rm, symlink } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test, vi } from 'vitest'
import type { Domain } from '../../src/mail/address.ts'
import { systemClock } from '../../src/base/clock.ts'
import { addUser } from '../../src/policy/edit.ts'
import { watchPolicy } from '../../src/policy/watch.ts'
import { createFolder } from './folder.ts'

const HASH = '$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4'
const until = (check: () => void): Promise<void> =>
  vi.waitFor(check, { timeout: 8000, interval: 10 })
const PACE = { clock: systemClock, look: 60_000, settle: 20 }
// Where nothing is heard: only looks remain.
const LOOKS = { clock: systemClock, look: 50, settle: 10 }
const never = (error: unknown): void => {
  throw error
}
const pem = (): Buffer =>
  Buffer.from(generateKeyPairSync('ed25519').privateKey.export({ type: 'pkcs8', format: 'pem' }))

test('a changed file is noticed, and listeners are told', async () => {
  await using folder = await createFolder({ 'listen.yaml': 'recipients: 5' })
  await using source = await watchPolicy(folder.path, {}, never, PACE)
  const before = source.current()
  const told: number[] = []
  source.onChange((policy) => told.push(policy.listen.recipients))
  await folder.write('listen.yaml', 'recipients: 6')
  await until(() => expect(told).toEqual([6]))
  expect(source.current().listen.recipients).toBe(6)
  expect(before.listen.recipients).toBe(5)
})

test('a file that is replaced by renaming is noticed, again and again', async () => {
  await using folder = await createFolder({ 'listen.yaml': 'recipients: 5' })
  await using source = await watchPolicy(folder.path, {}, never, PACE)
  for (const recipients of [6, 7, 8]) {
    await folder.write('policies/.new', `recipients: ${recipients}`)
    await rename(folder.pathOf('policies/.new'), folder.pathOf('listen.yaml'))
    await until(() => expect(source.current().listen.recipients).toBe(recipients))
  }
})

test('an added user can log in without a restart', async () => {
  await using folder = await createFolder()
  await using source = await watchPolicy(folder.path, {}, never, PACE)
  await addUser(folder.path, 'billing', HASH, ['*'])
  await until(() => expect(source.current().user('billing')?.password).toBe(HASH))
})

test('new and removed files are noticed, of queues too', async () => {
  await using folder = await createFolder()
  await using source = await watchPolicy(folder.path, {}, never, PACE)
  await folder.write('queues/urgent.yaml', 'priority: 1')
  await until(() => expect(source.current().queue('urgent').priority).toBe(1))
  await rm(folder.pathOf('queues/urgent.yaml'))
  await until(() => expect(source.current().queue('urgent').name).toBe('default'))
})

test('a version with a mistake is told once, the old one stays, and mending it is noticed', async () => {
  await using folder = await createFolder({ 'listen.yaml': 'recipients: 5' })
  const problems: unknown[] = []
  await using source = await watchPolicy(folder.path, {}, (error) => problems.push(error), LOOKS)
  await folder.write('listen.yaml', 'recipients: many')
  await until(() => expect(problems).toHaveLength(1))
  const since = source.problem()!.since
  expect(source.problem()!.text).toContain('listen.yaml:1')
  expect(String(problems[0])).toContain('listen.yaml:1: "recipients": is "many"')
  await folder.write('queues/urgent.yaml', 'priority: 1')
  await until(() => expect(problems).toHaveLength(2))
  expect(source.problem()!.since).toBe(since)
  expect(source.current().listen.recipients).toBe(5)
  await folder.write('listen.yaml', 'recipients: 6')
  await until(() => expect(source.current().listen.recipients).toBe(6))
  expect(problems).toHaveLength(2)
  expect(source.problem()).toBeUndefined()
})

test('a changed key is noticed, and so is a key that comes later', async () => {
  await using folder = await createFolder({
    'keys/a.pem': pem(),
    'signing.yaml': '- { domains: [x.example], keys: [{ selector: a, file: keys/a.pem }] }',
  })
  const problems: unknown[] = []
  await using source = await watchPolicy(folder.path, {}, (error) => problems.push(error), PACE)
  const keyOf = (name: string) => source.current().signing([name as Domain])?.keys[0]?.key
  const first = keyOf('x.example')
  await folder.write('keys/a.pem', pem())
  await until(() => expect(keyOf('x.example')?.equals(first!)).toBe(false))
  await folder.write(
    'signing.yaml',
    '- { domains: [y.example], keys: [{ selector: b, file: keys/b.pem }] }',
  )
  await until(() => expect(problems).toHaveLength(1))
  expect(keyOf('x.example')).toBeDefined()
  await folder.write('keys/b.pem', pem())
  await until(() => expect(keyOf('y.example')).toBeDefined())
})

test('a changed password of a next hop is noticed', async () => {
  await using folder = await createFolder({
    'secret/password': 'old\n',
    'routing.yaml':
      '- { via: { host: hop.example, tls: verified, user: me, password-env: SMART } }',
  })
  const env = { SMART_FILE: folder.pathOf('secret/password') }
  await using source = await watchPolicy(folder.path, env, never, PACE)
  expect(source.current().secret('SMART')).toBe('old')
  await folder.write('secret/password', 'new\n')
  await until(() => expect(source.current().secret('SMART')).toBe('new'))
})

// As Kubernetes mounts a ConfigMap: files are links into `..data`, itself a link that is replaced.
test('files behind a link that is replaced are noticed', async () => {
  await using folder = await createFolder({
    'policies/..1/listen.yaml': 'recipients: 5',
    'policies/..2/listen.yaml': 'recipients: 6',
  })
  await symlink('..1', join(folder.path, 'policies/..data'))
  await symlink('..data/listen.yaml', folder.pathOf('listen.yaml'))
  await using source = await watchPolicy(folder.path, {}, never, PACE)
  expect(source.current().listen.recipients).toBe(5)
  await symlink('..2', join(folder.path, 'policies/..new'))
  await rename(join(folder.path, 'policies/..new'), join(folder.path, 'policies/..data'))
  await until(() => expect(source.current().listen.recipients).toBe(6))
})

test('a folder that is replaced as a whole is noticed', async () => {
  await using folder = await createFolder({ 'listen.yaml': 'recipients: 5' })
  await using source = await watchPolicy(folder.path, {}, never, LOOKS)
  await folder.write('other/listen.yaml', 'recipients: 6')
  await rename(join(folder.path, 'policies'), join(folder.path, 'old'))
  await rename(join(folder.path, 'other'), join(folder.path, 'policies'))
  await until(() => expect(source.current().listen.recipients).toBe(6))
  await folder.write('listen.yaml', 'recipients: 7')
  await until(() => expect(source.current().listen.recipients).toBe(7))
})

test('the first version must be without a mistake', async () => {
  await using folder = await createFolder({ 'listen.yaml': 'recipients: many' })
  await expect(watchPolicy(folder.path, {}, never, PACE)).rejects.toThrow('listen.yaml:1')
})
