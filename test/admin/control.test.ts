import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { startControl } from '../../src/admin/control/control.ts'
import { openControl } from '../../src/admin/control/remote.ts'
import { systemClock } from '../../src/base/clock.ts'
import type { Queue } from '../../src/queue/port/queue.ts'
import { openSqliteQueue } from '../../src/queue/sqlite/queue.ts'

let folder = ''
let queue: Queue

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'waypost-control-'))
  const limits = { historyAge: 3_600_000, historySize: 1e9, diskReserve: 0 }
  queue = await openSqliteQueue({ folder: join(folder, 'data'), clock: systemClock, ...limits })
})

afterEach(async () => {
  await queue[Symbol.asyncDispose]()
  await rm(folder, { recursive: true, force: true })
})

function start(where: string): Promise<AsyncDisposable> {
  return startControl({ folder: where, queue })
}

test('a relay answers on its socket, and is gone when it has stopped', async () => {
  expect(await openControl(folder)).toBeUndefined()
  const control = await start(folder)
  const remote = await openControl(folder)
  expect(await remote!.engine()).toMatchObject({ engine: 'sqlite' })
  expect(await remote!.find({}, { limit: 10 })).toMatchObject({ entries: [] })
  await control[Symbol.asyncDispose]()
  await expect(remote!.holds()).rejects.toThrow('The relay has stopped')
  expect(await openControl(folder)).toBeUndefined()
})

test('a socket that a killed relay left is replaced', async () => {
  await writeFile(join(folder, 'control.sock'), '')
  await using _control = await start(folder)
  await using remote = await openControl(folder)
  expect(await remote!.engine()).toMatchObject({ engine: 'sqlite' })
})

test('a data folder with a path too long for a socket has one all the same', async () => {
  const deep = join(folder, 'd'.repeat(120))
  await mkdir(deep)
  await using _control = await start(deep)
  await using remote = await openControl(deep)
  expect(await remote!.engine()).toMatchObject({ engine: 'sqlite' })
})

test('what goes wrong in the queue is told as a sentence', async () => {
  await using _control = await start(folder)
  await using remote = await openControl(folder)
  await expect(remote!.find({}, { limit: 1, cursor: 'nonsense' })).rejects.toThrow(
    'it is no cursor that this queue gave',
  )
  expect(await remote!.find({}, { limit: 1 })).toMatchObject({ entries: [] })
})

const broken: [what: string, text: string][] = [
  ['no JSON', 'hello\n'],
  ['a number', '1\n'],
  ['nothing', 'null\n'],
  ['no arguments', '{"n":1,"method":"find"}\n'],
  ['arguments that are none', '{"n":1,"method":"find","arguments":7}\n'],
  ['a name of JavaScript', '{"n":1,"method":"constructor","arguments":[]}\n'],
  ['a line without an end', 'x'.repeat(5 * 1024 * 1024)],
]
for (const [what, text] of broken) {
  test(`${what} on the socket harms nobody else`, async () => {
    await using _control = await start(folder)
    const socket = connect(join(folder, 'control.sock'))
    socket.on('error', () => {})
    socket.write(text)
    await new Promise((resolve) => socket.once('data', resolve).once('close', resolve))
    socket.destroy()
    await using remote = await openControl(folder)
    expect(await remote!.engine()).toMatchObject({ engine: 'sqlite' })
  })
}
