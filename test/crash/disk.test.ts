// A full disk stops accepting and nothing else: the client reads 452 4.3.1, what was promised is
// delivered, and mail is taken again by itself when there is room.

import { execFileSync } from 'node:child_process'
import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { startProcess, until } from '../peers/process.ts'
import { numbered, openTalk, sendMail } from '../peers/smtp-load.ts'
import { startTally } from '../peers/tally.ts'
import { waiting } from './world.ts'

const MAIL = { from: 'app@near.example', to: ['ok@far.example'] }

test('no mail is accepted while free space is under the reserve', async () => {
  await using relay = await startProcess({
    hop: 9,
    environment: { WAYPOST_DISK_RESERVE: '900TB' },
  })
  await using talk = await openTalk(relay.port)
  expect(await talk.say('MAIL FROM:<app@near.example>')).toMatch(/^452 4\.3\.1 /)
})

const disk = await smallDisk()
if (disk === undefined) console.warn('SKIPPED: a full disk needs a mount of tmpfs, so root')

test.skipIf(disk === undefined)(
  'a disk that fills up loses nothing that was accepted',
  { timeout: 60_000 },
  async () => {
    await using folder = disk!
    await using tally = await startTally()
    tally.rules = { recipient: () => '451 4.2.0 Not now' }
    await using relay = await startProcess({
      hop: tally.port,
      data: join(folder.path, 'data'),
      environment: { WAYPOST_DISK_RESERVE: '1B' },
    })
    await using talk = await openTalk(relay.port)
    const accepted: number[] = []
    let reply = ''
    for (let number = 1; number < 2000; number++) {
      reply = await sendMail(talk, { ...MAIL, content: numbered(number, 100_000) })
      if (!reply.startsWith('250')) break
      accepted.push(number)
    }
    expect(reply).toMatch(/^452 4\.3\.1 /)
    expect(accepted.length).toBeGreaterThan(20)

    tally.rules = {}
    const arrived = (): boolean =>
      new Set(tally.mails.map((mail) => mail.number)).size >= accepted.length
    await until(arrived, () => `all ${accepted.length}, only ${tally.mails.length}`, 30_000)
    expect([...new Set(tally.mails.map(({ number }) => number))].sort(byNumber)).toEqual(accepted)
    await until(async () => (await waiting(relay)).length === 0, 'an empty queue')
    const again = async (): Promise<boolean> =>
      (await sendMail(talk, { ...MAIL, content: numbered(5000, 1000) })).startsWith('250')
    await until(again, 'a 250 after there is room')
  },
)

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
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=24m', 'none', path], { stdio: 'ignore' })
  } catch {
    await rm(path, { recursive: true, force: true })
    return undefined
  }
  await mkdir(join(path, 'data'), { mode: 0o700 })
  return { path, [Symbol.asyncDispose]: close }
}
