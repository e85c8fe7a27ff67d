// Outcomes while storage is away: kept, in order, and written first.

import { expect, test } from 'vitest'
import { Settler } from '../../src/delivery/settle/settler.ts'
import { untried } from '../../src/delivery/decide/settlements.ts'
import type { RelayEvent } from '../../src/mail/event.ts'
import type { Delivery, Settlement, Taken } from '../../src/queue/port/outflow.ts'
import { QueueError } from '../../src/queue/port/types.ts'
import { ManualClock } from '../peers/clock.ts'
import { deliveryTo } from './deliveries.ts'

class Storage {
  away: Error | undefined
  written: string[] = []
  async settle(delivery: Delivery, _settlement: Settlement): Promise<Taken | undefined> {
    if (this.away !== undefined) throw this.away
    this.written.push(delivery.id)
    return { kind: 'idle', until: undefined }
  }
}

function world() {
  const storage = new Storage()
  const clock = new ManualClock()
  const told: RelayEvent[] = []
  const settler = new Settler(storage, clock, (event) => told.push(event))
  const settle = (name: string) => {
    const delivery = deliveryTo([`${name}@far.example`], { id: name })
    return settler.settle(delivery, untried(delivery, 0))
  }
  return { storage, clock, told, settler, settle }
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

test('what cannot be written is kept, and nothing begins until it is', async () => {
  const { storage, clock, settler, settle } = world()
  storage.away = new QueueError('full', 'No space')
  const kept = [settle('one'), settle('two')]
  await turn()
  expect(settler.sound).toBe(false)
  let resumed = false
  void settler.whenSound().then(() => (resumed = true))
  clock.pass(1000)
  await turn()
  expect(resumed).toBe(false)
  storage.away = undefined
  clock.pass(1000)
  expect(await Promise.all(kept)).toEqual([undefined, undefined])
  await turn()
  expect(resumed).toBe(true)
  expect(storage.written).toEqual(['one', 'two'])
  expect(await settle('three')).toEqual({ kind: 'idle', until: undefined })
})

test('one outcome that is refused for its own sake keeps nobody back', async () => {
  const { storage, clock, told, settler, settle } = world()
  storage.away = new Error('no such column')
  expect(await settle('odd')).toBeUndefined()
  storage.away = undefined
  expect(settler.sound).toBe(true)
  await settle('next')
  clock.pass(1000)
  await turn()
  expect(storage.written).toEqual(['next', 'odd'])
  expect(told.map((event) => event.kind)).toContain('note')
})

test('closing tries once more, and says what is lost to memory', async () => {
  const { storage, told, settler, settle } = world()
  storage.away = new QueueError('failing', 'I/O error')
  const kept = settle('one')
  await turn()
  await settler.close()
  expect(await kept).toBeUndefined()
  const texts = told.flatMap((event) => (event.kind === 'note' ? [event.text] : []))
  expect(texts.at(-1)).toBe('1 outcomes could not be written')
})

test('closing while outcomes are being written writes each of them once', async () => {
  const { storage, clock, settler, settle } = world()
  storage.away = new QueueError('failing', 'I/O error')
  const kept = ['one', 'two', 'three'].map((name) => settle(name))
  await turn()
  storage.away = undefined
  clock.pass(1000)
  await settler.close()
  await Promise.all(kept)
  expect(storage.written).toEqual(['one', 'two', 'three'])
})
