// A full disk stops accepting and nothing else: the client reads 452 4.3.1, what was promised is
// delivered, and mail is taken again by itself when there is room.

import { execFileSync } from 'node:child_process'
import { appendFileSync, rmSync } from 'node:fs'
import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { startProcess, until } from '../peers/process.ts'
import { numbered, openTalk, sendMail, type Talk } from '../peers/smtp-load.ts'
import { startTally } from '../peers/tally.ts'

const MAIL = { from: 'app@near.example', to: ['ok@far.example'] }

test('no mail is accepted while free space is under the reserve', async () => {
  await using relay = await startProcess({
    hop: 9,
    environment: { WAYPOST_DISK_RESERVE: '900TB' },
  })
  await using talk = await openTalk(relay.port)
  expect(await talk.say('MAIL FROM:<app@near.example>')).toMatch(/^452 4\.3\.1 /)
})

// What keeps settling possible holds the log of writes too, which grows to 32 MB before its pages go home
// (`wal_autocheckpoint`), and the room that they need there.
const RESERVE = '48MB'
const DISK = '128m'

const disk = await smallDisk()
if (disk === undefined) console.warn('SKIPPED: a full disk needs a mount of tmpfs, so root')

test.skipIf(disk === undefined)(
  'a disk that fills up loses nothing that was accepted',
  { timeout: 90_000 },
  async () => {
    await using folder = disk!
    await using tally = await startTally()
    tally.rules = { recipient: () => '451 4.2.0 Not now' }
    await using relay = await startProcess({
      hop: tally.port,
      data: join(folder.path, 'data'),
      environment: { WAYPOST_DISK_RESERVE: RESERVE },
    })
    await using talk = await openTalk(relay.port)
    const accepted = await fill(talk, 1)
    expect(accepted.length).toBeGreaterThan(20)
    tally.rules = {}
    const arrived = (): (number | undefined)[] => tally.mails.map(({ number }) => number)
    await until(() => arrived().length >= accepted.length, 'all that was accepted', 30_000)
    expect(arrived().sort(byNumber)).toEqual(accepted)
    await until(() => takes(talk, 5000), 'a 250 when there is room again', 30_000, 500)

    // Now somebody else takes the last byte, reserve and all.
    tally.rules = { recipient: () => '451 4.2.0 Not now' }
    const ballast = takeAll(folder.path)
    const taken: number[] = []
    let reply = ''
    // The log of writes has room for some, and free space is looked at now and then.
    const refused = async (): Promise<boolean> => {
      const number = 5001 + taken.length
      reply = await sendMail(talk, { ...MAIL, content: numbered(number, 1000) })
      if (reply.startsWith('250')) taken.push(number)
      return !reply.startsWith('250')
    }
    await until(refused, 'a full disk', 30_000, 100)
    expect(reply).toMatch(/^45[12] 4/)
    tally.rules = {}
    rmSync(ballast)
    await until(() => takes(talk, 7000), 'a 250 when the ballast is gone', 30_000, 500)
    const all = [...taken, 7000]
    await until(() => all.every((number) => arrived().includes(number)), 'all', 30_000)
    await relay.emptied()
    expect(new Set(arrived()).size).toBe(arrived().length)
  },
)

/** Sends until the relay has no room; the numbers of what it took. */
async function fill(talk: Talk, first: number): Promise<number[]> {
  const accepted: number[] = []
  for (let number = first; number < first + 2000; number++) {
    const reply = await sendMail(talk, { ...MAIL, content: numbered(number, 100_000) })
    if (!reply.startsWith('250')) {
      expect(reply).toMatch(/^452 4\.3\.1 /)
      return accepted
    }
    accepted.push(number)
  }
  throw new Error('The disk does not fill up')
}

async function takes(talk: Talk, number: number): Promise<boolean> {
  const reply = await sendMail(talk, { ...MAIL, content: numbered(number, 1000) })
  return reply.startsWith('250')
}

/** Fills the disk to the last byte. */
function takeAll(folder: string): string {
  const path = join(folder, 'ballast')
  for (const size of [1 << 20, 1 << 12])
    try {
      for (;;) appendFileSync(path, Buffer.alloc(size))
    } catch {
      // ENOSPC is what this is for.
    }
  return path
}

function byNumber(one = 0, other = 0): number {
  return one - other
}

async function smallDisk(): Promise<({ readonly path: string } & AsyncDisposable) | undefined> {
  const path = await mkdtemp(join(tmpdir(), 'waypost-disk-'))
  const close = async (): Promise<void> => {
    execFileSync('umount', ['-l', path])
    await rm(path, { recursive: true, force: true })
  }
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${DISK}`, 'none', path], { stdio: 'ignore' })
  } catch {
    await rm(path, { recursive: true, force: true })
    return undefined
  }
  await mkdir(join(path, 'data'), { mode: 0o700 })
  return { path, [Symbol.asyncDispose]: close }
}
