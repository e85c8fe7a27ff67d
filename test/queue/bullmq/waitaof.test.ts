// A server of 7.2 or newer need not sync every write: each 250 waits until its own log, and the replicas' if so
// wished, have the mail on their disks. Only such a server shows it; WAYPOST_TEST_REDIS names its program.

import { afterAll, beforeAll, describe, expect, test } from 'vitest'

import { startPair, startRedis, waitaofProgram, type RedisServer } from '../../peers/redis.ts'
import { mailOf, send, statesOf } from '../mail.ts'
import { openWorld } from './world.ts'

const program = await waitaofProgram()
if (program === undefined)
  console.warn(
    'SKIPPED WAITAOF: no Redis 7.2 or newer, or Valkey, is on PATH or in WAYPOST_TEST_REDIS',
  )

const lazy = { settings: { appendfsync: 'everysec' }, program: program ?? '' }

describe.skipIf(program === undefined)('WAITAOF', () => {
  let master: RedisServer
  let replica: RedisServer
  beforeAll(async () => void ([master, replica] = await startPair(lazy)))
  afterAll(async () => {
    await replica[Symbol.asyncDispose]()
    await master[Symbol.asyncDispose]()
  })

  test('mail is on the disks of both before its 250', async () => {
    await using world = await openWorld(master)
    const queue = await world.open({ wish: { replicas: 1, relaxed: false } })
    const { durability, isRelaxed } = await queue.engine()
    expect(durability).toContain('on 1 replica before its 250 (WAITAOF)')
    expect(isRelaxed).toBe(false)
    const id = await send(queue, world.clock)
    for (const server of [master, replica]) {
      const redis = await server.client()
      expect(await redis.exists(`${world.prefix}/m/${id}`)).toBe(1)
      expect(await redis.info('persistence')).toContain('aof_pending_bio_fsync:0')
      redis.disconnect()
    }
  })

  test('mail that a replica has not synced is refused and taken back', async () => {
    await using world = await openWorld(master)
    const queue = await world.open({ wish: { replicas: 1, relaxed: false } })
    const mail = await mailOf(queue, world.clock, {})
    replica.freeze()
    try {
      await expect(queue.accept(mail)).rejects.toMatchObject({
        kind: 'failing',
        message: 'Only 0 of 1 synced replicas have the mail',
      })
    } finally {
      replica.thaw()
    }
    expect(await statesOf(queue, mail.id)).toEqual([])
    expect(await statesOf(queue, await queue.accept(mail))).toEqual(['waiting'])
  })

  test('without replicas mail survives a server that is killed right after its 250', async () => {
    await using alone = await startRedis(lazy)
    await using world = await openWorld(alone)
    const queue = await world.open()
    expect((await queue.engine()).durability).toBe(
      'every message is synced before its 250 (WAITAOF)',
    )
    const id = await send(queue, world.clock)
    await alone.kill()
    await alone.start()
    const redis = await alone.client()
    expect(await redis.exists(`${world.prefix}/m/${id}`)).toBe(1)
    redis.disconnect()
  })
})
