// Guessing passwords: slower, then locked out, per address and user; hashing is bounded.

import { expect, test } from 'vitest'
import type { User } from '../../src/policy/policy.ts'
import { LoginThrottle } from '../../src/listen/door/login-throttle.ts'
import { ManualClock } from '../peers/clock.ts'

const ana: User = { name: 'ana', password: 'plain:right', at: 'users.yaml:1' }

/** A throttle on a clock of its own, whose hashing is counted and can be kept waiting. */
function createWorld(): {
  clock: ManualClock
  throttle: LoginThrottle
  hashed: string[]
  gates: (() => void)[]
  slow: { on: boolean }
} {
  const clock = new ManualClock()
  const hashed: string[] = []
  const gates: (() => void)[] = []
  const slow = { on: false }
  const throttle = new LoginThrottle(clock, async (phc, password) => {
    hashed.push(phc)
    if (slow.on) await new Promise<void>((resolve) => gates.push(resolve))
    return phc === `plain:${password}`
  })
  return { clock, throttle, hashed, gates, slow }
}

/** Lets everything that is ready run. */
const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

type World = ReturnType<typeof createWorld>
async function fail(
  { clock, throttle }: World,
  times: number,
  client = '192.0.2.1',
): Promise<void> {
  for (let n = 0; n < times; n++) {
    const outcome = throttle.login(client, 'ana', 'guess', ana)
    await settle()
    clock.pass(10_000)
    expect(await outcome).toBe('wrong')
  }
}

test('the right password of a user is ok, any other is wrong', async () => {
  const { throttle } = createWorld()
  expect(await throttle.login('192.0.2.1', 'ana', 'right', ana)).toBe('ok')
  expect(await throttle.login('192.0.2.1', 'ana', 'left', ana)).toBe('wrong')
  expect(await throttle.login('192.0.2.1', 'bo', 'right', undefined)).toBe('wrong')
})

test('an unknown user costs a hash like any other', async () => {
  const { throttle, hashed } = createWorld()
  await throttle.login('192.0.2.1', 'nobody', 'x', undefined)
  expect(hashed).toHaveLength(1)
  expect(hashed[0]).toMatch(/^\$argon2id\$v=19\$m=19456,t=2,p=1\$[^$]{22}\$[^$]{43}$/)
})

test('failures are answered later and later', async () => {
  const { clock, throttle } = createWorld()
  expect(await throttle.login('192.0.2.1', 'ana', 'guess', ana)).toBe('wrong')
  for (const delay of [500, 1000, 2000, 4000, 8000, 10_000, 10_000]) {
    let answered = false
    const outcome = throttle.login('192.0.2.1', 'ana', 'guess', ana).then(() => (answered = true))
    await settle()
    clock.pass(delay - 1)
    await settle()
    expect(answered).toBe(false)
    clock.pass(1)
    await outcome
  }
})

test('ten failures lock out that address and user for a quarter of an hour, without hashing', async () => {
  const world = createWorld()
  await fail(world, 10)
  const hashes = world.hashed.length
  expect(await world.throttle.login('192.0.2.1', 'ana', 'right', ana)).toBe('locked')
  expect(world.hashed.length).toBe(hashes)
  expect(await world.throttle.login('192.0.2.2', 'ana', 'right', ana)).toBe('ok')
  expect(await world.throttle.login('192.0.2.1', 'bo', 'right', { ...ana, name: 'bo' })).toBe('ok')
  world.clock.pass(15 * 60_000)
  expect(await world.throttle.login('192.0.2.1', 'ana', 'right', ana)).toBe('ok')
})

test('a success forgives the failures before it', async () => {
  const world = createWorld()
  await fail(world, 9)
  expect(await world.throttle.login('192.0.2.1', 'ana', 'right', ana)).toBe('ok')
  await fail(world, 9)
  expect(await world.throttle.login('192.0.2.1', 'ana', 'right', ana)).toBe('ok')
})

test('a verified login that is not used is hashed again after five minutes', async () => {
  const { clock, throttle, hashed } = createWorld()
  const login = () => throttle.login('192.0.2.1', 'ana', 'right', ana)
  await login()
  clock.pass(5 * 60_000)
  await login()
  expect(hashed).toHaveLength(2)
})

test('a verified login is remembered for an hour from each use', async () => {
  const { clock, throttle, hashed } = createWorld()
  const login = () => throttle.login('192.0.2.1', 'ana', 'right', ana)
  await login()
  clock.pass(5 * 60_000 - 1)
  for (let n = 0; n < 10; n++) {
    await login()
    clock.pass(3_599_999)
  }
  await login()
  expect(hashed).toHaveLength(1)
  clock.pass(3_600_000)
  await login()
  expect(hashed).toHaveLength(2)
})

test('a remembered login comes before a lock, and sets the failures back', async () => {
  const world = createWorld()
  const login = () => world.throttle.login('192.0.2.1', 'ana', 'right', ana)
  expect(await login()).toBe('ok')
  for (let n = 0; n < 4; n++) {
    await fail(world, 9)
    expect(await login()).toBe('ok')
  }
  await fail(world, 10)
  expect(await world.throttle.login('192.0.2.1', 'ana', 'other', ana)).toBe('locked')
  expect(await login()).toBe('ok')
})

test('failures of one address count whatever the names', async () => {
  const world = createWorld()
  const guess = async (n: number): Promise<string> => {
    const outcome = world.throttle.login('2001:db8::1', `name${n}`, 'guess', undefined)
    await settle()
    world.clock.pass(10_000)
    return outcome
  }
  for (let n = 0; n < 50; n++) expect(await guess(n)).toBe('wrong')
  expect(await guess(51)).toBe('locked')
  expect(await world.throttle.login('2001:db8::2', 'ana', 'right', ana)).toBe('locked')
  expect(await world.throttle.login('2001:db8:0:1::2', 'ana', 'right', ana)).toBe('ok')
})

test('a new password unlocks a user', async () => {
  const world = createWorld()
  await fail(world, 10)
  const { throttle } = world
  expect(throttle.lockedUntil('192.0.2.1', 'ana', ana)).toBeGreaterThan(world.clock.now())
  expect(await throttle.login('192.0.2.1', 'ana', 'new', { ...ana, password: 'plain:new' })).toBe(
    'ok',
  )
  expect(await throttle.login('192.0.2.1', 'ana', 'right', ana)).toBe('locked')
})

test('a full line has room for who asks once, and serves him next', async () => {
  const { throttle, gates, slow, hashed } = createWorld()
  slow.on = true
  const crowd = Array.from({ length: 102 }, (_, n) =>
    throttle.login('192.0.2.1', `${n}`, 'x', undefined),
  )
  const app = throttle.login('192.0.2.2', 'ana', 'right', ana)
  expect(await crowd[101]).toBe('busy')
  await settle()
  gates.shift()!()
  gates.shift()!()
  await settle()
  await settle()
  expect(hashed).toContain('plain:right')
  slow.on = false
  for (const open of gates.splice(0)) open()
  expect(await app).toBe('ok')
})

test('whoever has failed has one place, and waits behind whoever has not', async () => {
  const { throttle, gates, slow, hashed } = createWorld()
  expect(await throttle.login('192.0.2.1', 'x', 'wrong', undefined)).toBe('wrong')
  slow.on = true
  const failing = ['1', '2', '3'].map((n) => throttle.login('192.0.2.1', n, 'x', undefined))
  await settle()
  expect(hashed).toHaveLength(2)
  const logins = ['ana', 'bo'].map((name, n) =>
    throttle.login(`192.0.2.${n + 2}`, name, 'right', { ...ana, name }),
  )
  await settle()
  expect(hashed.slice(2)).toEqual(['plain:right'])
  gates.shift()!()
  await settle()
  await settle()
  expect(hashed.slice(2)).toEqual(['plain:right', 'plain:right'])
  slow.on = false
  for (const open of gates.splice(0)) open()
  expect(await Promise.all(logins)).toEqual(['ok', 'ok'])
  expect(await Promise.all(failing)).toEqual(['wrong', 'wrong', 'wrong'])
})

test('a changed password is not remembered', async () => {
  const { throttle } = createWorld()
  expect(await throttle.login('192.0.2.1', 'ana', 'right', ana)).toBe('ok')
  const changed = { ...ana, password: 'plain:new' }
  expect(await throttle.login('192.0.2.1', 'ana', 'right', changed)).toBe('wrong')
  expect(await throttle.login('192.0.2.2', 'ana', 'right', undefined)).toBe('wrong')
})

test('two hashes run at once, and who waits too long is told later', async () => {
  const { clock, throttle, hashed, gates, slow } = createWorld()
  slow.on = true
  const logins = ['1', '2', '3', '4'].map((n) => throttle.login(`192.0.2.${n}`, n, 'x', undefined))
  await settle()
  expect(hashed).toHaveLength(2)
  gates.shift()!()
  await settle()
  expect(hashed).toHaveLength(3)
  clock.pass(5000)
  expect(await logins[3]).toBe('busy')
  for (const open of gates.splice(0)) open()
  expect(await Promise.all(logins.slice(0, 3))).toEqual(['wrong', 'wrong', 'wrong'])
})

test('more than a hundred waiting logins are sent away at once', async () => {
  const { throttle, gates, slow } = createWorld()
  slow.on = true
  const logins = Array.from({ length: 103 }, (_, n) =>
    throttle.login('::1', `${n}`, 'x', undefined),
  )
  expect(await logins[102]).toBe('busy')
  slow.on = false
  await settle()
  for (const open of gates.splice(0)) open()
  expect(await Promise.all(logins.slice(0, 102))).not.toContain('busy')
})

test('twenty connections that log in at once cost one or two hashes', async () => {
  const { throttle, hashed } = createWorld()
  const logins = Array.from({ length: 20 }, () => throttle.login('::1', 'ana', 'right', ana))
  expect(new Set(await Promise.all(logins))).toEqual(new Set(['ok']))
  expect(hashed.length).toBeLessThanOrEqual(2)
})

test('a check that fails frees its place', async () => {
  const clock = new ManualClock()
  const throttle = new LoginThrottle(clock, () => Promise.reject(new Error('no memory')))
  for (let n = 0; n < 5; n++)
    await expect(throttle.login('::1', 'ana', 'x', ana)).rejects.toThrow('no memory')
})
