// Backup and restore as an operator does them: the relay shut in as by its unit, the file elsewhere, and the
// copy started so that nothing is sent twice.

import { chmod, chown, copyFile, mkdir, mkdtemp, readdir, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { systemClock } from '../../src/base/clock.ts'
import { openSqliteQueue } from '../../src/queue/sqlite/queue.ts'
import { startMx } from '../peers/mx.ts'
import { createProcess, freePort, run, startProcess, until } from '../peers/process.ts'
import type { RelayProcess } from '../peers/process.ts'
import { numbered, openTalk, sendMail } from '../peers/smtp-load.ts'

// ProtectSystem=strict and PrivateTmp of scripts/waypost.service, for the relay and not for its commands.
const SHUT_IN = `if [ "$3" = start ]; then
  exec unshare -m sh -c 'mount --make-rprivate / && mount --bind "$STRICT" "$STRICT" &&
    mount -o remount,bind,ro "$STRICT" && mount -t tmpfs tmpfs "$PRIVATE" && exec "$@"' sh "$@"
fi
exec "$@"`

test.runIf(process.getuid?.() === 0)(
  'a backup is written where the relay itself may write nothing, or sees another folder',
  { timeout: 90_000 },
  async () => {
    await using folder = await openFolder()
    const [strict, own] = [join(folder.path, 'strict'), join(folder.path, 'private')]
    for (const path of [strict, own]) await mkdir(path)
    const environment = { STRICT: strict, PRIVATE: own }
    const program = ['sh', '-c', SHUT_IN, 'sh', process.execPath, 'src/cli.ts'] as const
    await using relay = await startProcess({ hop: await freePort(), environment, program })
    await submit(relay, 3)
    for (const path of [strict, own]) {
      const file = join(path, 'queue.db')
      const { code, out, err } = await relay.waypost('backup', file)
      expect([code, out, err]).toEqual([0, expect.stringContaining(file), ''])
      expect((await stat(file)).mode & 0o777).toBe(0o600)
      expect(await readdir(path)).toEqual(['queue.db'])
    }
    expect((await readdir(relay.data)).filter((name) => name.includes('part'))).toEqual([])
  },
)

test.runIf(process.getuid?.() === 0)(
  'who may not write a backup is told who he is and what right is missing',
  { timeout: 90_000 },
  async () => {
    await using folder = await openFolder()
    const uid = 12_345
    const data = join(folder.path, 'data')
    await mkdir(data)
    await chmod(folder.path, 0o755)
    await chown(data, uid, uid)
    await using relay = await createProcess({ hop: 9, data })
    const other = [`--reuid=${uid}`, '--clear-groups', process.execPath, 'src/cli.ts']
    const backUp = (): ReturnType<typeof run> =>
      run('setpriv', [...other, 'backup', join(folder.path, 'queue.db')], relay.environment)
    expect((await backUp()).err).toContain('there is no queue.db in it')
    await (await openSqliteQueue({ folder: data, clock: systemClock }))[Symbol.asyncDispose]()
    for (const name of await readdir(data)) await chown(join(data, name), uid, uid)
    const { code, err } = await backUp()
    expect(code).toBe(1)
    expect(err).toContain(
      `user ${uid} may not write into "${folder.path}", which belongs to root with mode 0755`,
    )
    expect(await readdir(folder.path)).toEqual(['data'])
  },
)

test(
  'a copy that is started held sends nothing until it is released, and then all of it',
  { timeout: 90_000 },
  async () => {
    await using folder = await openFolder()
    const backup = join(folder.path, 'copy.db')
    {
      await using relay = await startProcess({ hop: await freePort() })
      await submit(relay, 3)
      expect((await relay.waypost('backup', backup)).code).toBe(0)
    }
    await using mx = await startMx({})
    const data = join(folder.path, 'data')
    await mkdir(data, { mode: 0o700 })
    await copyFile(backup, join(data, 'queue.db'))
    await using relay = await createProcess({ hop: mx.port, data })
    await relay.start('--held')
    const says = `All mail is held (by ${user()}: started with --held): none of it is sent until \`waypost queue release --all\``
    await until(() => relay.said().includes('All mail is held'))
    expect(relay.log()).toContainEqual(expect.objectContaining({ level: 'warn', text: says }))
    await submit(relay, 1)
    expect((await relay.entries('--state', 'held')).length).toBe(4)
    // It stands, also where it is not asked for again; and is not placed anew.
    await relay.stop()
    await relay.start()
    expect(await relay.entries('--state', 'held')).toHaveLength(4)
    expect(mx.taken).toEqual([])
    const { code, out } = await relay.waypost('queue', 'release', '--all', '--yes')
    expect([code, out]).toEqual([0, expect.stringContaining('4 recipients released')])
    await until(() => mx.taken.length === 4)
  },
)

function user(): string {
  return process.env['SUDO_USER'] ?? (process.getuid?.() === 0 ? 'root' : process.env['USER']!)
}

async function submit(relay: RelayProcess, count: number): Promise<void> {
  await using talk = await openTalk(relay.port)
  for (let n = 0; n < count; n++)
    await sendMail(talk, {
      from: 'app@near.example',
      to: [`u${n}@far.example`],
      content: numbered(n, n === 0 ? 400_000 : 500),
    })
}

async function openFolder(): Promise<AsyncDisposable & { readonly path: string }> {
  const path = await mkdtemp(join(tmpdir(), 'waypost-backup-'))
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true }) }
}
