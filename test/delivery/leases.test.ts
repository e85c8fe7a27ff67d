// Leases are renewed by one timer, and are not trusted when that fails.

import { expect, test } from 'vitest'
import { Leases } from '../../src/delivery/settle/leases.ts'
import type { RelayEvent } from '../../src/mail/event.ts'
import type { Destination } from '../../src/mail/destination.ts'
import type { Lease } from '../../src/queue/port/outflow.ts'
import { ManualClock } from '../peers/clock.ts'

const LENGTH = 60_000

function world() {
  const clock = new ManualClock()
  const told: RelayEvent[] = []
  const queue = {
    away: false,
    renewed: [] as number[],
    released: 0,
    async renew(leases: readonly Lease[]) {
      if (queue.away) throw new Error('away')
      queue.renewed.push(leases.length)
    },
    async release() {
      queue.released++
    },
  }
  const leases = new Leases(queue, clock, (event) => told.push(event))
  const lease = { id: 'l', lane: 'far.example' as Destination, until: clock.now() + LENGTH }
  return { clock, told, queue, leases, lease }
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

test('a wall clock that is set makes no lease unsure', () => {
  const { clock, leases, lease } = world()
  const held = leases.hold(lease, clock.now())
  clock.set(clock.now() + 10 * LENGTH)
  expect(leases.sure(held)).toBe(true)
  clock.set(clock.now() - 20 * LENGTH)
  expect(leases.sure(held)).toBe(true)
})

test('a lease that is renewed stays sure for as long as it is held', async () => {
  const { clock, queue, leases, lease } = world()
  const held = leases.hold(lease, clock.now())
  leases.hold({ ...lease, id: 'm' }, clock.now())
  for (let n = 0; n < 20; n++) {
    clock.pass(LENGTH / 6)
    await turn()
    expect(leases.sure(held)).toBe(true)
  }
  expect(queue.renewed).toEqual(Array.from({ length: 20 }, () => 2))
})

test('a lease that was not renewed for half its length is not sure', async () => {
  const { clock, told, queue, leases, lease } = world()
  const held = leases.hold(lease, clock.now())
  queue.away = true
  for (let n = 0; n < 3; n++) {
    expect(leases.sure(held)).toBe(true)
    clock.pass(LENGTH / 6)
    await turn()
  }
  expect(leases.sure(held)).toBe(false)
  // Told once, until it goes well again.
  expect(told).toHaveLength(1)
  queue.away = false
  clock.pass(LENGTH / 6)
  await turn()
  expect(leases.sure(held)).toBe(true)
})

test('nothing is renewed when nothing is held', async () => {
  const { clock, queue, leases, lease } = world()
  await leases.release(leases.hold(lease, clock.now()))
  clock.pass(LENGTH)
  await turn()
  expect(queue).toMatchObject({ renewed: [], released: 1 })
})
