// Signatures over what really goes out, judged by mailauth from the bytes that a server took.

import { generateKeyPairSync, type KeyObject } from 'node:crypto'
import { writeFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import type { Signing } from '../../src/policy/policy.ts'
import { mailauthSays, newSigning, signingKey } from '../delivery/dkim-judges.ts'
import { Talk } from '../listen/world.ts'
import { startMx } from '../peers/mx.ts'
import { MX_PLACE, startRelay, type Relay } from '../peers/relay.ts'

test('content that BDAT ended without a line end goes out with one, and its signatures hold', async () => {
  await using mx = await startMx({}, MX_PLACE)
  const signing = newSigning('near.example')
  await using relay = await startRelay({ mx: { 'far.example': [mx] }, files: filesOf(signing) })
  const header = 'From: ana@near.example\r\nTo: bo@far.example\r\nSubject: x\r\n\r\n'
  const ends = ['no line end', '', 'a carriage return\r', 'a line feed\n', '.']
  for (const [n, body] of ends.entries()) {
    await chunk(relay, header + body)
    expect(await relay.until('ended')).toMatchObject({ end: 'delivered' })
    const { content } = mx.taken[n]!
    expect(content.subarray(-2).toString()).toBe('\r\n')
    expect([body, await mailauthSays(content, signing)]).toEqual([body, ['pass', 'pass']])
  }
})

test('a new key signs without a restart', async () => {
  await using mx = await startMx({}, MX_PLACE)
  const old = newSigning('near.example')
  await using relay = await startRelay({ mx: { 'far.example': [mx] }, files: filesOf(old) })
  await relay.send({ to: 'bo@far.example' })
  await relay.until('ended')
  expect(await mailauthSays(mx.taken[0]!.content, old)).toEqual(['pass', 'pass'])

  const { privateKey } = generateKeyPairSync('ed25519')
  const renewed: Signing = { ...old, keys: [old.keys[0]!, signingKey('e2026', privateKey)] }
  await writeFile(join(relay.folder, 'keys/e2026.pem'), pem(privateKey))
  await expect.poll(() => relay.events.some((event) => event.kind === 'note')).toBe(true)
  await relay.send({ to: 'bo@far.example' })
  await relay.until('ended')
  expect(await mailauthSays(mx.taken[1]!.content, renewed)).toEqual(['pass', 'pass'])
  expect(await mailauthSays(mx.taken[1]!.content, old)).toContain('fail')
})

function filesOf({ keys }: Signing): Record<string, string> {
  const lines = keys.map(({ selector }) => `{ selector: ${selector}, file: keys/${selector}.pem }`)
  const files = keys.map(({ selector, key }) => [`keys/${selector}.pem`, pem(key)])
  return {
    'policies/signing.yaml': `- { domains: [near.example], keys: [${lines.join(', ')}] }\n`,
    ...Object.fromEntries(files),
  }
}

function pem(key: KeyObject): string {
  return key.export({ type: 'pkcs8', format: 'pem' }).toString()
}

async function chunk(relay: Relay, content: string): Promise<void> {
  await using talk = new Talk(connect(relay.port, '127.0.0.1'))
  await talk.hear()
  await talk.say('EHLO app.example')
  await talk.say('MAIL FROM:<ana@near.example>')
  await talk.say('RCPT TO:<bo@far.example>')
  talk.write(`BDAT ${content.length} LAST\r\n${content}`)
  expect(await talk.hear()).toMatch(/^250 2\.0\.0 queued as /)
}
