// Who is let in: by rule, by login, by network.

import { expect, test } from 'vitest'
import type { Place } from '../../src/listen/door/door.ts'
import { Door } from '../../src/listen/door/door.ts'
import { Tally } from '../../src/listen/door/tally.ts'
import { ManualClock } from '../peers/clock.ts'
import { RULES } from '../submit/world.ts'

function createDoor(changes: Partial<typeof RULES> = {}): { door: Door; clock: ManualClock } {
  const clock = new ManualClock()
  return { clock, door: new Door(() => ({ ...RULES, connections: 10, ...changes }), clock) }
}

function fill(door: Door, count: number, admitted: boolean): (Place | string)[] {
  return Array.from({ length: count }, (_, n) => door.enter(`192.0.2.${n}`, admitted))
}

const isIn = (entered: Place | string): boolean => typeof entered !== 'string'

test('those who may send have all places, whoever else is in', () => {
  const { door } = createDoor()
  expect(fill(door, 11, false).filter(isIn)).toHaveLength(10)
  expect(fill(door, 11, true).filter(isIn)).toHaveLength(10)
})

test('strangers have what those who may send leave', () => {
  const { door } = createDoor()
  fill(door, 8, true)
  expect(fill(door, 11, false).filter(isIn)).toHaveLength(2)
})

test('who leaves twice gives back one place', () => {
  const { door } = createDoor()
  const [first] = fill(door, 10, false) as Place[]
  first!.leave()
  first!.leave()
  expect(isIn(door.enter('198.51.100.1', false))).toBe(true)
  expect(isIn(door.enter('198.51.100.2', false))).toBe(false)
})

test('strangers of one IPv6 /64 are one client, those who may send are one each', () => {
  const { door } = createDoor({ connectionsPerClient: 2 })
  const six = (admitted: boolean) =>
    ['2001:db8::1', '2001:db8::2', '2001:db8::3'].map((one) => isIn(door.enter(one, admitted)))
  expect(six(false)).toEqual([true, true, false])
  expect(isIn(door.enter('2001:db8:0:1::1', false))).toBe(true)
  expect(six(true)).toEqual([true, true, true])
})

test('an address from which a user has logged in is no stranger for a day', () => {
  const { door, clock } = createDoor()
  door.remember('198.51.100.7')
  fill(door, 10, false)
  clock.pass(86_399_999)
  expect(isIn(door.enter('198.51.100.7', false))).toBe(true)
  clock.pass(1)
  expect(isIn(door.enter('198.51.100.7', false))).toBe(false)
})

test('it is crowded when strangers have more than half of the places', () => {
  const { door } = createDoor()
  fill(door, 5, false)
  fill(door, 5, true)
  expect(door.crowded).toBe(false)
  const { door: other } = createDoor()
  fill(other, 6, false)
  expect(other.crowded).toBe(true)
})

test('what one client makes us say is five lines a minute, and one with a number', () => {
  const tally = new Tally()
  const said: string[] = []
  const add = (client: string, now: number) =>
    tally.add(client, now, (times) => said.push(`${client} ${times}`))
  for (let n = 0; n < 8; n++) add('a', n)
  add('b', 8)
  expect(said).toEqual([...Array<string>(5).fill('a 1'), 'b 1'])
  tally.look(59_999)
  expect(said).toHaveLength(6)
  tally.look(60_000)
  expect(said.slice(6)).toEqual(['a 3'])
  add('a', 60_001)
  expect(said.slice(7)).toEqual(['a 1'])
})

test('clients beyond a thousand share their lines', () => {
  const tally = new Tally()
  let said = 0
  for (let n = 0; n < 5000; n++) tally.add(`client ${n}`, 0, () => said++)
  expect(said).toBe(1000 + 5)
})
