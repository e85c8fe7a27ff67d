// Sentinels and a replica: the master dies, a replica takes over, and the relay goes on there with all that
// was accepted.

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { Redis } from 'ioredis'
import { expect, test } from 'vitest'

import { readAddress } from '../../../src/queue/bullmq/address.ts'
import { freePort, until } from '../../peers/process.ts'
import { redisProgram, startRedis, type RedisServer } from '../../peers/redis.ts'
import { attempt, delivered, send, statesOf, takeOne } from '../mail.ts'
import { LEASE, notes, openWorld, whenBack } from './world.ts'

/** One sentinel that alone decides, and soon. */
async function startSentinel(master: RedisServer): Promise<{ port: number } & AsyncDisposable> {
  const folder = await mkdtemp(join(tmpdir(), 'waypost-sentinel-'))
  const port = await freePort()
  const config = [
    `port ${port}`,
    'bind 127.0.0.1',
    `dir ${folder}`,
    `sentinel monitor main 127.0.0.1 ${master.port} 1`,
    'sentinel down-after-milliseconds main 300',
    'sentinel failover-timeout main 3000',
  ]
  await writeFile(join(folder, 'sentinel.conf'), config.join('\n'))
  const words = [join(folder, 'sentinel.conf'), '--sentinel']
  const child = spawn(await redisProgram(), words, { stdio: 'ignore' })
  const asking = new Redis({ port, host: '127.0.0.1', protocol: 2 })
  asking.on('error', () => {})
  await until(
    async () => String(await asking.call('SENTINEL', 'REPLICAS', 'main')).includes('127.0.0.1'),
    () => 'the sentinel to know the replica',
  )
  asking.disconnect()
  return {
    port,
    async [Symbol.asyncDispose]() {
      const gone = once(child, 'exit')
      child.kill('SIGKILL')
      await gone
      await rm(folder, { recursive: true })
    },
  }
}

test('when a replica takes over, the relay goes on with it', async () => {
  await using master = await startRedis()
  await using replica = await startRedis({ settings: { replicaof: `127.0.0.1 ${master.port}` } })
  const following = await replica.client()
  await until(
    async () => (await following.info('replication')).includes('master_link_status:up'),
    () => 'the replica to follow',
  )
  following.disconnect()
  await using sentinel = await startSentinel(master)
  await using world = await openWorld(master)
  const { clock } = world
  const address = readAddress(`redis+sentinel://127.0.0.1:${sentinel.port}/main`)
  const wish = { replicas: 1, relaxed: true }
  const queue = await world.open({ address, wish })
  const ids = [await send(queue, clock), await send(queue, clock)]
  const { lease, delivery } = await takeOne(queue)

  await master.kill()
  await until(
    () => notes(world).some((text) => text.startsWith('Redis is back')),
    () => `the replica to take over: ${notes(world).join('; ')}`,
    30_000,
  )
  await whenBack(queue)
  expect((await queue.engine()).at).toBe(`redis+sentinel://127.0.0.1:${sentinel.port}/main/0`)
  expect(await statesOf(queue, ids[0]!)).toEqual(['sending'])
  expect(await queue.claim(1)).toEqual([])
  await queue.settle(delivery, attempt(clock, delivery, delivered))
  await queue.release(lease)
  clock.pass(LEASE)
  expect((await takeOne(queue)).delivery.message).toBe(ids[1])
}, 60_000)
