// One timer for all phases of a connection, with a clock that the test owns.

import { expect, test } from 'vitest'
import type { Clock } from '../../src/base/clock.ts'
import { Deadline } from '../../src/delivery/wire/deadline.ts'

class HandClock implements Clock {
  armed = 0
  #now = 0
  #wall = 0
  #calls: { at: number; call: () => void }[] = []

  now(): number {
    return this.#now + this.#wall
  }

  after(milliseconds: number, call: () => void): () => void {
    this.armed++
    const entry = { at: this.#now + milliseconds, call }
    this.#calls.push(entry)
    return () => {
      this.#calls = this.#calls.filter((one) => one !== entry)
    }
  }

  pass(milliseconds: number): void {
    const end = this.#now + milliseconds
    for (;;) {
      const due = this.#calls.filter(({ at }) => at <= end).sort((a, b) => a.at - b.at)[0]
      if (due === undefined) break
      this.#now = due.at
      this.#calls = this.#calls.filter((one) => one !== due)
      due.call()
    }
    this.#now = end
  }

  setWall(milliseconds: number): void {
    this.#wall += milliseconds
  }
}

function start() {
  const clock = new HandClock()
  const passed: number[] = []
  return { clock, passed, deadline: new Deadline(clock, () => passed.push(clock.now())) }
}

test('it passes once, when its time is over', () => {
  const { clock, passed, deadline } = start()
  deadline.set(100)
  clock.pass(99)
  expect(passed).toEqual([])
  clock.pass(500)
  expect(passed).toEqual([100])
})

test('each phase has its own time', () => {
  const { clock, passed, deadline } = start()
  deadline.set(300)
  clock.pass(50)
  deadline.set(100)
  clock.pass(90)
  deadline.set(200)
  clock.pass(199)
  expect(passed).toEqual([])
  clock.pass(1)
  expect(passed).toEqual([340])
})

test('what is cleared or closed never passes', () => {
  const { clock, passed, deadline } = start()
  deadline.set(100)
  deadline.clear()
  clock.pass(200)
  deadline.set(100)
  deadline.close()
  clock.pass(200)
  expect(passed).toEqual([])
})

test('a thousand phases arm a few timers', () => {
  const { clock, passed, deadline } = start()
  for (let message = 0; message < 1000; message++) {
    for (const milliseconds of [300_000, 120_000, 600_000]) deadline.set(milliseconds)
    clock.pass(10)
  }
  expect(clock.armed).toBeLessThan(5)
  expect(passed).toEqual([])
})

test('a wall clock that is set back delays it by no more than its own time', () => {
  const { clock, passed, deadline } = start()
  deadline.set(100)
  clock.setWall(-3_600_000)
  clock.pass(100)
  expect(passed).toHaveLength(0)
  clock.pass(100)
  expect(passed).toHaveLength(1)
})
