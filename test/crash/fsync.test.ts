// "250 after DATA means: on stable storage", looked at from outside: strace sees an fsync between
// the last byte of content and the 250, and what happens when one fails.

import type { Socket } from 'node:net'
import { describe, expect, test } from 'vitest'
import { startProcess, until, type RelayProcess } from '../peers/process.ts'
import { numbered, openTalk, sendMail } from '../peers/smtp-load.ts'
import { attach, needStrace, type Call } from '../peers/strace.ts'
import { startTally } from '../peers/tally.ts'
import { waiting } from './world.ts'

const missing = await needStrace()
const CALLS = 'trace=read,readv,recvfrom,recvmsg,write,writev,sendto,sendmsg,fsync,fdatasync'
const MAIL = { from: 'app@near.example', to: ['ok@far.example'] }

describe.skipIf(missing !== undefined)('Stable storage, seen by strace', () => {
  test.for([
    { name: 'a small message', bytes: 2000, synced: ['-wal>'] },
    // The file, its name in the folder, and then the commit that owns it.
    { name: 'large content', bytes: 2_000_000, synced: ['/content/', '/content>', '-wal>'] },
  ])('fsyncs lie between the last byte of $name and its 250', async ({ bytes, synced }) => {
    await using relay = await startProcess({ hop: 9 })
    await using talk = await openTalk(relay.port)
    await sendMail(talk, { ...MAIL, content: numbered(1, bytes) })
    await using calls = await attach(relay.pid, '-s', '70000', '-e', CALLS)
    expect(await sendMail(talk, { ...MAIL, content: numbered(2, bytes) })).toMatch(/^250 /)
    await calls.detach()
    const seen = syncsBeforeTheReply(await calls.calls(), talk.socket)
    // In this order, with commits of other things between them.
    expect(seen.join('\n')).toMatch(new RegExp(synced.join('[^]*')))
  })

  test('a failing fsync gives 451 and queues nothing; then the relay recovers by itself', async () => {
    await using tally = await startTally()
    await using relay = await startProcess({ hop: tally.port })
    await using talk = await openTalk(relay.port)
    expect(await sendMail(talk, { ...MAIL, content: numbered(1, 2000) })).toMatch(/^250 /)
    await relay.emptied()

    const faults = ['-e', 'inject=fsync,fdatasync:error=EIO', '-e', 'trace=fsync,fdatasync']
    await using calls = await attach(relay.pid, ...faults)
    for (let number = 2; number < 6; number++)
      expect(await sendMail(talk, { ...MAIL, content: numbered(number, 2000) })).toMatch(/^451 4/)
    expect(await logCallsInjected(await calls.lines(), relay)).not.toEqual([])
    expect(await waiting(relay)).toEqual([])
    await calls.detach()

    const healed = async (): Promise<boolean> =>
      (await sendMail(talk, { ...MAIL, content: numbered(6, 2000) })).startsWith('250')
    await until(healed, 'a 250 after storage is back')
    await until(() => tally.mails.some(({ number }) => number === 6), 'the last message')
    expect(tally.mails.map(({ number }) => number)).toEqual([1, 6])
  })

  test('outcomes that cannot be written are kept, and written when storage is back', async () => {
    await using tally = await startTally()
    await using relay = await startProcess({ hop: tally.port })
    await using talk = await openTalk(relay.port)
    const held = Promise.withResolvers<void>()
    tally.rules = { dot: () => held.promise }
    const content = numbered(1, 2000)
    expect(await sendMail(talk, { ...MAIL, content })).toMatch(/^250 /)
    await until(() => tally.mails.length === 1, 'the dot')

    const faults = ['-e', 'inject=fsync,fdatasync:error=EIO', '-e', 'trace=fsync,fdatasync']
    await using calls = await attach(relay.pid, ...faults)
    held.resolve()
    const injected = async (): Promise<boolean> =>
      (await logCallsInjected(await calls.lines(), relay)).length > 0
    await until(injected, 'the settling to fail')
    await calls.detach()

    await relay.emptied()
    expect(tally.mails.map(({ number }) => number)).toEqual([1])
  })
})

/** Syncs that began after the read of the dot and ended before the write of the 250. */
function syncsBeforeTheReply(calls: readonly Call[], client: Socket): string[] {
  const ofClient = calls.filter(({ text }) => text.includes(`:${client.localPort}]>`))
  const reply = ofClient.find(({ text }) => text.includes('"250 2.0.0 '))
  const dot = endOf(ofClient.filter(({ name }) => /^read|^recv/.test(name)))
  expect(dot, 'the read of the dot').toBeDefined()
  expect(reply, 'the write of the 250').toBeDefined()
  const between = calls.filter(({ began, ended }) => began > dot!.ended && ended < reply!.began)
  return between.flatMap(({ name, text }) =>
    /^f(data)?sync$/.test(name) && text.endsWith(' = 0') ? [text] : [],
  )
}

/** The read with which content ended: its dot may come with it, in a read of its own, or in several. */
function endOf(reads: readonly Call[]): Call | undefined {
  let read = ''
  return reads.find(({ text }) => {
    read += /"((?:[^"\\]|\\.)*)"/.exec(text)?.[1] ?? ''
    return read.endsWith(String.raw`\r\n.\r\n`)
  })
}

/** Injected failures of calls on files of the data folder; the log file is among them. */
async function logCallsInjected(lines: readonly string[], relay: RelayProcess): Promise<string[]> {
  return lines.filter(
    (line) => line.includes('INJECTED') && line.includes(relay.data) && /-wal>|\.log>/.test(line),
  )
}
