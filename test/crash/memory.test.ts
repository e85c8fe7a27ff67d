// Large content costs no memory: it streams from the client to disk and from disk to the next hop.

import { expect, test } from 'vitest'
import { FULL } from '../peers/chance.ts'
import { startProcess, until, type RelayProcess } from '../peers/process.ts'
import { numbered, openTalk, sendMail } from '../peers/smtp-load.ts'
import { startTally } from '../peers/tally.ts'

const CONCURRENT = 20
// In CI the disk is slow and shared; the promise is the same.
const BYTES = FULL ? 50_000_000 : 15_000_000
const ALLOWED = 150_000_000
const PIECE = `${'x'.repeat(998)}\r\n`.repeat(64)

test(
  `${CONCURRENT} concurrent messages of ${BYTES / 1e6} MB raise memory by less than 150 MB`,
  { timeout: 300_000 },
  async () => {
    await using tally = await startTally()
    await using relay = await startProcess({
      hop: tally.port,
      files: { 'policies/listen.yaml': 'size: 60MB\n' },
    })
    await warmUp(relay)
    const before = relay.memory().resident
    relay.forgetPeak()
    const numbers = Array.from({ length: CONCURRENT }, (_, n) => n + 1)
    const replies = await Promise.all(numbers.map((number) => sendLarge(relay.port, number)))
    expect(replies.filter((reply) => !reply.startsWith('250'))).toEqual([])
    const arrived = (): Set<number | undefined> =>
      new Set(tally.mails.filter(({ bytes }) => bytes >= BYTES).map(({ number }) => number))
    await until(
      () => arrived().size === CONCURRENT,
      () => `${arrived().size} at the sink`,
      200_000,
    )
    const raised = relay.memory().peak - before
    console.log(`${Math.round(before / 1e6)} MB resident, and ${Math.round(raised / 1e6)} MB more`)
    expect(raised).toBeLessThan(ALLOWED)
  },
)

async function warmUp(relay: RelayProcess): Promise<void> {
  await using talk = await openTalk(relay.port)
  for (let n = 0; n < 200; n++)
    await sendMail(talk, {
      from: 'app@near.example',
      to: ['ok@far.example'],
      content: numbered(1000 + n, 4000),
    })
}

async function sendLarge(port: number, number: number): Promise<string> {
  await using talk = await openTalk(port)
  for (const line of [
    'MAIL FROM:<app@near.example>',
    `RCPT TO:<big-${number}@far.example>`,
    'DATA',
  ])
    await talk.say(line)
  talk.write(numbered(number, 100))
  for (let sent = 0; sent < BYTES; sent += PIECE.length)
    await new Promise((written) => talk.socket.write(PIECE, written))
  return await talk.say('.') // or the connection is gone before the reply
}
