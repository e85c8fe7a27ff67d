// A server with a replica that may take over: a 250 waits until the replica has the mail too.

import { afterAll, beforeAll, expect, test } from 'vitest'

import { readAddress } from '../../../src/queue/bullmq/link/address.ts'
import { openBullmqRemote } from '../../../src/queue/bullmq/remote.ts'
import { until } from '../../peers/patience.ts'
import { startPair, startRedis, type RedisServer } from '../../peers/redis.ts'
import { mailOf, send, statesOf } from '../mail.ts'
import { openWorld } from './world.ts'

const REPLICATED = { replicas: 1, relaxed: false }

let master: RedisServer
let replica: RedisServer
beforeAll(async () => void ([master, replica] = await startPair()))
afterAll(async () => {
  await replica[Symbol.asyncDispose]()
  await master[Symbol.asyncDispose]()
})

test('mail is with the replica before its 250', async () => {
  await using world = await openWorld(master)
  const queue = await world.open({ wish: REPLICATED })
  expect((await queue.engine()).durability).toMatch(/(on|held by) 1 replica before its 250/)
  const id = await send(queue, world.clock)
  const copy = await replica.client()
  expect(await copy.exists(`${world.prefix}/m/${id}`)).toBe(1)
  copy.disconnect()
})

test('mail that no replica has got is refused and taken back', async () => {
  await using world = await openWorld(master)
  const queue = await world.open({ wish: REPLICATED })
  const mail = await mailOf(queue, world.clock, {})
  replica.freeze()
  try {
    await expect(queue.accept(mail)).rejects.toMatchObject({
      kind: 'failing',
      message: expect.stringMatching(/^Only 0 of 1 (synced )?replicas have the mail$/),
    })
  } finally {
    replica.thaw()
  }
  expect(await statesOf(queue, mail.id)).toEqual([])
  expect(await queue.claim(5)).toEqual([])
  expect(await statesOf(queue, await queue.accept(mail))).toEqual(['waiting'])
})

test('a relay starts neither on the replica, nor where its replica is not waited for', async () => {
  await using world = await openWorld(master)
  const address = readAddress(replica.url)
  await expect(world.open({ address, wish: REPLICATED })).rejects.toThrow(
    'is a slave, not a master',
  )
  await expect(world.open()).rejects.toThrow('set WAYPOST_REDIS_REPLICAS to 1 or more')
  const queue = await world.open({ wish: { replicas: 0, relaxed: true } })
  expect(await queue.engine()).toMatchObject({ isRelaxed: true, server: { replicas: 1 } })
})

test('while too few replicas follow no mail is taken, and both say why', async () => {
  await using world = await openWorld(master)
  const { clock } = world
  const wish = { replicas: 2, relaxed: false }
  const queue = await world.open({ wish })
  const trouble = '1 of 2 replicas follow Redis: no mail is taken until they do'
  expect(queue.refuses()).toBe('away')
  expect((await queue.engine()).trouble).toContain(trouble)
  await expect(send(queue, clock)).rejects.toMatchObject({ kind: 'failing' })
  const address = readAddress(master.url)
  await using remote = await openBullmqRemote({ address, prefix: 'anybody', wish })
  expect((await remote.engine()).trouble).toContain(trouble)
  await using second = await startRedis({ settings: { replicaof: `127.0.0.1 ${master.port}` } })
  expect(second.port).toBeGreaterThan(0)
  await until(() => {
    clock.pass(1000)
    return queue.refuses() === undefined
  }, 'the second replica to follow')
  await send(queue, clock)
})
