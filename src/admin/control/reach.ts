// How commands come to the queue: through the running relay, or, for reading while it is down, to
// the store itself. Nothing is created in the data folder, and only its owner may look.

import { existsSync, statSync, type Stats } from 'node:fs'
import { join } from 'node:path'
import type { RemoteQueue } from '../../queue/bullmq/remote.ts'
import type { QueueControl } from '../../queue/port/control.ts'
import type { ContentReader, QueueReader } from '../../queue/port/reader.ts'
import type { Refused } from '../../events/refused-mail.ts'
import type { RelayControl } from './remote.ts'
import type { RedisPlace } from '../../queue/bullmq/place.ts'
import { CommandError, type Context } from '../context.ts'

/** For reading: the running relay when there is one, else the store. */
export async function openReader(context: Context): Promise<QueueReader> {
  const { data, redis } = context.places()
  if (redis !== undefined) return openRedis(redis)
  checkOwner(data, context.uid)
  const remote = await openSocket(data)
  if (remote !== undefined) return remote
  const reader = await openStore(data)
  // On a terminal it is easily forgotten that another shell has WAYPOST_REDIS, or another folder.
  if (context.interactive)
    context.complain(`No relay runs on "${data}": this is what its queue was left with\n`)
  return reader
}

async function openStore(data: string): Promise<QueueReader & ContentReader> {
  try {
    // Most commands never need the engine.
    const { openSqliteReader } = await import('../../queue/sqlite/read/reader.ts')
    return await openSqliteReader(data)
  } catch (error) {
    throw new CommandError(
      `Cannot read the queue in "${data}": ${(error as Error).message}; is WAYPOST_DATA right?`,
      1,
      { cause: error },
    )
  }
}

/** For what can be said without a relay too: the relay, or what its store was left with. */
export async function openEither(
  context: Context,
): Promise<
  | { readonly kind: 'relay'; readonly relay: QueueControl }
  | { readonly kind: 'store'; readonly store: QueueReader; readonly at: string }
> {
  const { data, redis } = context.places()
  if (redis !== undefined) return { kind: 'relay', relay: await openRedis(redis) }
  checkOwner(data, context.uid)
  const relay = await openSocket(data)
  if (relay !== undefined) return { kind: 'relay', relay }
  return { kind: 'store', store: await openStore(data), at: data }
}

/** For content: the store itself, whether a relay runs or not. */
export async function openContent(context: Context): Promise<ContentReader> {
  const { data, redis } = context.places()
  if (redis !== undefined) return openRedis(redis)
  checkOwner(data, context.uid)
  return openStore(data)
}

/** What the relay that runs has refused of late, or all that share the queue; `undefined` where none runs. */
export async function refusedOf(
  context: Context,
  address: string,
): Promise<readonly Refused[] | undefined> {
  const { data, redis } = context.places()
  if (redis !== undefined) {
    const { findRefusals } = await import('../../events/shared-refusals.ts')
    await using shared = await openRedis(redis)
    return await findRefusals(shared.state, address)
  }
  const relay = await openSocket(data)
  if (relay === undefined) return undefined
  await using _relay = relay
  return await relay.refused(address) // before it is closed
}

/** For steering: the relay must run, unless its queue is in Redis. */
export async function openRelay(context: Context): Promise<QueueControl> {
  const { data, redis } = context.places()
  if (redis !== undefined) return openRedis(redis)
  checkOwner(data, context.uid)
  const remote = await openSocket(data)
  if (remote !== undefined) return remote
  throw new CommandError(
    `No relay runs on "${data}"; start it with \`waypost start\`, or set WAYPOST_DATA to its folder`,
  )
}

/** For acts on mail: the running relay, else the store itself, which no relay can open meanwhile. */
export async function openSteering(context: Context): Promise<QueueControl> {
  const { data, redis } = context.places()
  if (redis !== undefined) return openRedis(redis)
  checkOwner(data, context.uid)
  const remote = await openSocket(data)
  if (remote !== undefined) return remote
  checkStore(data)
  const { openSqliteQueue } = await import('../../queue/sqlite/queue.ts')
  // What history is forgotten is the relay's to say.
  const history = { historyAge: Number.MAX_SAFE_INTEGER, historySize: Number.MAX_SAFE_INTEGER }
  return openSqliteQueue({ folder: data, clock: context.clock, ...history, diskReserve: 0 })
}

/** A store that can be copied: no content goes from it. */
export interface Still extends AsyncDisposable {
  readonly folder: string
  readonly running: boolean
}

/** For copying all of it: from beside the running relay, which keeps all content meanwhile, else under its lock. */
export async function openStill(context: Context): Promise<Still> {
  const { data: folder, redis } = context.places()
  if (redis !== undefined) throw new CommandError(BACKUPS)
  checkOwner(folder, context.uid)
  await using opened = new AsyncDisposableStack()
  const remote = await openSocket(folder)
  if (remote !== undefined) opened.use(await opened.use(remote).keepContent!())
  else {
    checkStore(folder)
    const { lockFolder } = await import('../../queue/sqlite/write/lock.ts')
    opened.use(lockFolder(folder, context.clock.now()))
  }
  const owned = opened.move()
  const dispose = (): Promise<void> => owned.disposeAsync()
  return { folder, running: remote !== undefined, [Symbol.asyncDispose]: dispose }
}

const BACKUPS =
  'The queue is in Redis, which has its own backups: copy its appendonlydir, or run `redis-cli --rdb FILE`'

// A slip in WAYPOST_DATA must not make a queue somewhere else.
function checkStore(folder: string): void {
  if (existsSync(join(folder, 'queue.db'))) return
  throw new CommandError(
    `No relay runs on "${folder}", and there is no queue.db in it; start one with \`waypost start\`, or set WAYPOST_DATA to its folder`,
  )
}

async function openSocket(folder: string): Promise<RelayControl | undefined> {
  const { openControl } = await import('./remote.ts')
  return openControl(folder)
}

async function openRedis(redis: RedisPlace): Promise<RemoteQueue> {
  try {
    const { openBullmqRemote } = await import('../../queue/bullmq/remote.ts')
    return await openBullmqRemote(redis)
  } catch (error) {
    throw new CommandError((error as Error).message, 1, { cause: error })
  }
}

// Whatever another user opened there, the relay could not open any more.
function checkOwner(folder: string, uid: number): void {
  const found = statOf(folder)
  if (found instanceof Error) {
    const what = found.code === 'ENOENT' ? 'there is no such folder' : found.message
    throw new CommandError(
      `Cannot use the data folder "${folder}": ${what}; set WAYPOST_DATA, or run \`waypost start\` once`,
    )
  }
  if (found.uid === uid) return
  throw new CommandError(
    `The data folder "${folder}" belongs to user ${found.uid}, and you are ${uid}; ` +
      `run this as its owner: sudo -u '#${found.uid}' env WAYPOST_DATA=${folder} waypost …`,
  )
}

function statOf(path: string): Stats | NodeJS.ErrnoException {
  try {
    return statSync(path)
  } catch (error) {
    return error as NodeJS.ErrnoException
  }
}
