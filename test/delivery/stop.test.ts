// Stopping, and storage that fails: what is under way ends, and nothing is forgotten.

import { expect, test } from 'vitest'
import type { Queue } from '../../src/queue/port/queue.ts'
import { QueueError } from '../../src/queue/port/types.ts'
import { silence } from '../peers/mx.ts'
import type { Answer } from '../peers/mx.ts'
import { startWorld } from './world.ts'

const SECOND = 1000

test('attempts under way may finish, and nothing new begins', async () => {
  const shaping = '- { default: true, connections: 1 }\n'
  await using world = await startWorld({ files: { 'policies/shaping.yaml': shaping } })
  const gate = Promise.withResolvers<string>()
  const mx = await world.mx({ dot: () => gate.promise }, 'far.example')
  await world.send({ to: ['a@far.example'] })
  const other = await world.send({ to: ['b@far.example'] })
  await mx.until(() => mx.heard.includes('DATA'))
  const closed = world.delivery.close(30 * SECOND)
  gate.resolve('250 ok')
  await closed
  expect(world.told('ended')).toMatchObject([{ to: 'a@far.example', end: 'delivered' }])
  expect(await world.entry(other)).toMatchObject({ state: 'waiting', attempts: 0 })
  expect(mx.taken).toHaveLength(1)
})

test('a drain that ends while the reply to the dot is awaited settles unknown', async () => {
  await using world = await startWorld()
  let asked = false
  const dot = (): Answer => {
    asked = true
    return silence
  }
  await world.mx({ dot }, 'far.example')
  const id = await world.send({ to: ['a@far.example'] })
  await world.until(() => asked)
  const closed = world.delivery.close(SECOND)
  world.pass(SECOND)
  await closed
  expect(world.told('attempted')).toMatchObject([{ outcome: { kind: 'unknown' } }])
  expect(await world.entry(id)).toMatchObject({ state: 'waiting', attempts: 1 })
})

test('a drain that ends before the content was sent burns nothing', async () => {
  await using world = await startWorld()
  const mx = await world.mx({ MAIL: silence }, 'far.example')
  const id = await world.send({ to: ['a@far.example'] })
  await mx.until(() => mx.heard.some((line) => line.startsWith('MAIL')))
  const closed = world.delivery.close(SECOND)
  world.pass(SECOND)
  await closed
  expect(await world.entry(id)).toMatchObject({ state: 'waiting', attempts: 0 })
})

test('outcomes are kept while storage is away, nothing begins, and they are written first', async () => {
  let away = true
  let settles = 0
  const wrap = ({ queue }: { queue: Queue }) => ({
    queue: new Proxy(queue, {
      get(target, name) {
        if (name === 'settle' && away) {
          settles++
          return () => Promise.reject(new QueueError('full', 'No space left'))
        }
        const value: unknown = Reflect.get(target, name)
        return typeof value === 'function' ? value.bind(target) : value
      },
    }),
  })
  const shaping = '- { default: true, connections: 1 }\n'
  await using world = await startWorld({ wrap, files: { 'policies/shaping.yaml': shaping } })
  const mx = await world.mx({}, 'far.example')
  await world.send({ to: ['a@far.example'] })
  await mx.until(() => mx.taken.length === 1)
  await world.until(() => settles === 1)
  await world.send({ to: ['b@far.example'] })
  world.pass(SECOND)
  await world.until(() => settles === 2)
  expect(mx.taken).toHaveLength(1)
  expect(world.told('ended')).toEqual([])
  away = false
  await world.passUntil(() => world.told('ended').length === 2)
  expect(world.told('ended').map(({ to }) => to)).toEqual(['a@far.example', 'b@far.example'])
  expect(mx.taken).toHaveLength(2)
})
