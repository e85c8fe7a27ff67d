// How long a client may take, on a clock that a test owns.

import { expect, test } from 'vitest'
import type { Standing } from '../../src/listen/door/patience.ts'
import { Patience } from '../../src/listen/door/patience.ts'
import { RULES } from '../submit/world.ts'

const S = 1000
const rules = {
  ...RULES,
  deadlines: { command: 300 * S, message: 600 * S, idle: 200 * S, age: 500 * S },
}
const AT_REST: Standing = {
  working: false,
  content: undefined,
  inTransaction: false,
  resting: true,
  progress: 0,
}

/** Seconds after which the client is hung up on, looked at each second; it says something each `every`. */
function lasts(
  standing: (second: number) => Standing,
  { every = 1, hurry = false, most = 3600 } = {},
): number | undefined {
  const patience = new Patience(0)
  for (let second = 1; second <= most; second++) {
    if (second % every === 0) patience.said(second * S)
    if (patience.isOver(second * S, standing(second), rules, hurry)) return second
  }
  return undefined
}

test('silence ends at the deadline of idleness, half a command at that of commands', () => {
  expect(lasts(() => AT_REST, { every: 1e9 })).toBe(200)
  expect(lasts(() => ({ ...AT_REST, resting: false }), { every: 1e9 })).toBe(300)
})

test('a client that says only commands ends with its age', () => {
  expect(lasts(() => AT_REST)).toBe(500)
})

test('each message gives it a new age', () => {
  expect(lasts((second) => ({ ...AT_REST, progress: Math.floor(second / 400) }))).toBeUndefined()
})

test('a transaction that names no new recipient ends in the time of a message', () => {
  const standing = { ...AT_REST, resting: false, inTransaction: true }
  expect(lasts(() => standing)).toBe(600)
  expect(lasts((second) => ({ ...standing, progress: Math.floor(second / 500) }))).toBeUndefined()
})

test('a client that waits for us is given all the time that we take', () => {
  expect(lasts(() => ({ ...AT_REST, working: true }), { every: 1e9 })).toBeUndefined()
})

const arriving = (bytesAt: (second: number) => number) => (second: number) => ({
  ...AT_REST,
  resting: false,
  inTransaction: true,
  content: { since: 0, bytes: bytesAt(second) },
})

test('content that brings a kilobyte a second is never cut off', () => {
  expect(
    lasts(
      arriving((second) => second * 1024),
      { every: 1e9, most: 50_000 },
    ),
  ).toBeUndefined()
})

test('content that brings less is cut off in its time', () => {
  expect(
    lasts(
      arriving((second) => second * 1000),
      { every: 1e9 },
    ),
  ).toBe(600)
})

test('content that stops is cut off a minute after its time', () => {
  expect(
    lasts(
      arriving((second) => Math.min(second, 610) * 4096),
      { every: 1e9 },
    ),
  ).toBe(660)
})

test('content that slows down before its time and then hurries is not cut off', () => {
  const bytes = (second: number): number => (second > 400 ? (second - 400) * 4096 : 0)
  expect(lasts(arriving(bytes), { every: 1e9 })).toBeUndefined()
})

test('in a hurry a client has ten seconds for silence, and half a minute in all', () => {
  expect(lasts(() => AT_REST, { every: 1e9, hurry: true })).toBe(10)
  expect(lasts(() => AT_REST, { hurry: true })).toBe(30)
})
