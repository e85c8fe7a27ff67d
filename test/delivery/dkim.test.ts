// Signatures as verifiers that are not ours see them (RFC 6376, 8463).

import { createPrivateKey } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { BodyHash, hashBody } from '../../src/delivery/sign/body.ts'
import { relaxField } from '../../src/delivery/sign/header.ts'
import { sign, signRelaxed } from '../../src/delivery/sign/dkim.ts'
import { parseHeader, valueOf } from '../../src/mail/header.ts'
import type { SigningKey } from '../../src/policy/policy.ts'
import { need } from '../peers/debian.ts'
import { dkimpySays, mailauthSays, newSigning, opendkimSays, signingKey } from './dkim-judges.ts'
import { runs } from '../peers/chance.ts'

const NOW = Date.now()
const signing = newSigning('example.com')
const noOpendkim = await need('opendkim')
const noDkimpy = await need('python3-dkim', 'python3-nacl')

const HEAD = 'From: Ana <ana@example.com>\r\nTo: bo@far.example\r\nSubject: Hello\r\n'
const DATE = 'Date: Sun, 22 Nov 2026 22:38:13 +0000\r\nMessage-ID: <1@example.com>\r\n'
const TOP = HEAD + DATE

/** Messages that signers or verifiers have got wrong before. Text stands for bytes, as latin1. */
const CASES: [name: string, message: string][] = [
  ['a plain message', `${TOP}\r\nHi.\r\n`],
  ['no-break spaces at line ends, in fields and alone', nbsp()],
  [
    'other white space that Unicode knows',
    `${TOP}\r\n\x85 \x0b a\x0c \r\n\x0c\r\n\xe2\x80\x83\r\n`,
  ],
  [
    'Latin-1 bytes in the body',
    `${TOP}Content-Type: text/plain; charset=iso-8859-1\r\n\r\nbl\xe5\r\n`,
  ],
  [
    'raw UTF-8 in fields',
    `${TOP}X-Name: J\xc3\xb6rg\r\nCc: J\xc3\xb6rg <j@far.example>\r\n\r\nHi\r\n`,
  ],
  ['raw Latin-1 in fields', `${TOP}Reply-To: J\xf6rg <j@far.example>\r\n\r\nHi\r\n`],
  ['no body, and no empty line', TOP],
  ['an empty body', `${TOP}\r\n`],
  ['a body of empty lines', `${TOP}\r\n\r\n\r\n\r\n`],
  ['a body of white space', `${TOP}\r\n \t \r\n\t\r\n  \r\n`],
  ['a body of white space without a line end', `${TOP}\r\n \t `],
  ['a body of white space behind an empty line', `${TOP}\r\n\r\n \r\n\r\n`],
  ['a body with a form feed', `${TOP}\r\nOne.\x0c\r\n \x0c \t two.  \r\n\r\n\r\n`],
  ['a form feed at the end of a body without a line end', `${TOP}\r\nOne.\r\n\x0c`],
  [
    'a large body with a form feed at its end',
    `${TOP}\r\n${'One.  \t\r\n\r\n'.repeat(20_000)}\x0c\r\n`,
  ],
  ['no final CRLF', `${TOP}\r\nHi.`],
  ['no final CRLF and white space at the end', `${TOP}\r\nHi. \t`],
  ['empty lines at the end', `${TOP}\r\nHi.\r\n\r\n\r\n`],
  ['empty lines with white space at the end', `${TOP}\r\nHi.\r\n \t\r\n\t\r\n`],
  ['empty lines at the start', `${TOP}\r\n\r\n\r\nHi.\r\n`],
  ['trailing white space', `${TOP}\r\nHi. \r\nHo.\t\r\nHum. \t \r\n`],
  ['tabs and runs of spaces', `${TOP}\r\n\ta\tb  c   d \t e\r\n  f\r\n`],
  [
    'folded fields',
    `${HEAD.replace('Hello', '\r\n\tHello,\r\n  there \t is\r\n \t\r\n more')}${DATE}\r\nHi.\r\n`,
  ],
  [
    'white space behind a colon',
    `${TOP}CC: \t bo@far.example \t\r\nReply-To:x@y.example\r\n\r\nHi\r\n`,
  ],
  ['fields without a value', `${TOP}Cc:\r\nReply-To: \r\nMIME-Version:\t\r\n\r\nHi.\r\n`],
  [
    'fields that occur several times',
    `${TOP}To: 2@far.example\r\nX-A: 1\r\nSubject: 2\r\nTo: 3@far.example\r\n\r\nHi\r\n`,
  ],
  ['names in capitals', `${TOP}MIME-VERSION: 1.0\r\ncontent-TYPE: text/plain\r\n\r\nHi.\r\n`],
  ['fields of a list', `${TOP}${listFields()}\r\nHi.\r\n`],
  ['colons and semicolons in values', `${TOP}Cc: a:;, "b;c" <x@y.example>;\r\n\r\nHi.\r\n`],
  [
    'an earlier signature below',
    `DKIM-Signature: v=1; a=rsa-sha256; d=x.example; s=y; h=from; bh=AAAA; b=AAAA\r\n${TOP}\r\nHi.\r\n`,
  ],
  ['a line of 998 characters', `${TOP}\r\n${'x'.repeat(998)}\r\n`],
  ['a body of 1 MB', `${TOP}\r\n${'The quick brown fox.  Jumps \t\r\n\r\n'.repeat(32_000)}`],
  ['a long run of spaces', `${TOP}\r\na${' '.repeat(5_000)}b\r\n`],
]

function nbsp(): string {
  return `${TOP}Cc: \xa0x@y.example\xa0 \xa0\r\n\r\nno\xa0break \xa0\r\n\xa0 \r\n\xa0\r\n\xc2\xa0 \xc2\xa0\r\n`
}

function listFields(): string {
  const post = 'List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n'
  return `List-Unsubscribe: <https://example.com/u>\r\n${post}List-Id: <a.example.com>\r\n`
}

/** The message as it goes over the wire: SMTP ends the last line where the content does not. */
async function signed(text: string): Promise<Buffer> {
  const content = Buffer.from(text, 'latin1')
  const end = text.endsWith('\r\n') ? '' : '\r\n'
  return Buffer.concat([await sign(content, signing, NOW), content, Buffer.from(end)])
}

/** The same bytes in pieces of this length. */
async function* pieces(content: Buffer, length: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < content.length; at += length) yield content.subarray(at, at + length)
}

describe('signatures hold', () => {
  for (const [name, text] of CASES) {
    test(`of ${name}, says mailauth, being strict`, async () => {
      expect(await mailauthSays(await signed(text), signing)).toEqual(['pass', 'pass'])
    })
    test.skipIf(noOpendkim)(`of ${name}, says OpenDKIM`, async () => {
      expect(await opendkimSays(await signed(text), signing)).toEqual(['pass', 'pass'])
    })
    test.skipIf(noDkimpy)(`of ${name}, says dkimpy`, async () => {
      expect(await dkimpySays(await signed(text), signing)).toEqual(['pass', 'pass'])
    })
    test(`of ${name}, when it comes in pieces`, async () => {
      const content = Buffer.from(text, 'latin1')
      const whole = await sign(content, signing, NOW)
      for (const length of content.length > 10_000 ? [65_536, 9_973] : [1, 2, 7, 64]) {
        expect(await sign(() => pieces(content, length), signing, NOW)).toEqual(whole)
      }
    })
  }

  // OpenDKIM and dkimpy read no such field at all.
  test('of a space before a colon, says mailauth, being strict', async () => {
    const text = `${TOP}CC \t: bo@far.example\r\n\r\nHi.\r\n`
    expect(await mailauthSays(await signed(text), signing)).toEqual(['pass', 'pass'])
  })

  test('of any header and body, says mailauth, being strict', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(field), body, async (fields, text) => {
        const message = await signed(`${TOP}${fields.join('')}\r\n${text}`)
        expect(await mailauthSays(message, signing)).toEqual(['pass', 'pass'])
      }),
      runs(200),
    )
  }, 60_000)

  test('of any body, however it is cut', () => {
    fc.assert(
      fc.property(body, fc.nat(5), (text, length) => {
        const bytes = Buffer.from(text, 'latin1')
        const hash = new BodyHash()
        for (let at = 0; at < bytes.length; at += length + 1)
          hash.update(bytes.subarray(at, at + length + 1))
        expect(hash.digest()).toBe(hashBody(bytes))
      }),
      runs(2000),
    )
  })
})

// White space, line ends and bytes that others take for white space, more often than chance has it.
const unit = fc.oneof(
  fc.constantFrom(' ', '\t', '  ', '\r\n', '\xa0', '\x0b', '\x0c', '\x85', ':', ';', 'a', '.'),
  fc.integer({ min: 14, max: 255 }).map((code) => String.fromCharCode(code)),
)
const body = fc.array(unit, { maxLength: 60 }).map((units) => units.join(''))
const folds = fc.array(
  fc.oneof(
    fc.constantFrom(' ', '\t', '\r\n ', '\r\n\t', '\r\n \t x', '\xa0', ':', 'x'),
    fc.integer({ min: 33, max: 255 }).map((code) => String.fromCharCode(code)),
  ),
  { maxLength: 30 },
)
const field = fc
  .record({
    name: fc.constantFrom('To', 'CC', 'subject', 'List-Id', 'X-Any', 'Reply-To', 'references'),
    value: folds,
  })
  .map(({ name, value }) => `${name}:${value.join('')}\r\n`)

describe('what is signed', () => {
  test('fields are signed from the bottom up, and once more than they occur', async () => {
    const text = `${TOP}To: 2@far.example\r\nReceived: x\r\nBcc: y\r\nReturn-Path: <z>\r\n\r\n`
    const names = (await tagsOf(text)).get('h')!.split(':')
    expect(names.filter((name) => name === 'to')).toHaveLength(3)
    expect(names.filter((name) => name === 'from')).toHaveLength(2)
    expect(names.filter((name) => name === 'cc')).toHaveLength(1)
    for (const never of ['received', 'bcc', 'return-path', 'dkim-signature'])
      expect(names).not.toContain(never)
  })

  test('fields of a list are signed as often as they occur', async () => {
    const names = (await tagsOf(`${TOP}${listFields()}\r\n`)).get('h')!.split(':')
    for (const name of ['list-unsubscribe', 'list-unsubscribe-post', 'list-id'])
      expect(names.filter((other) => other === name)).toHaveLength(1)
  })

  test('an added field breaks the signature where it is oversigned, and only there', async () => {
    const message = await signed(`${TOP}${listFields()}\r\nHi.\r\n`)
    const withField = (line: string): Buffer => Buffer.concat([Buffer.from(line), message])
    for (const name of ['From', 'Subject', 'Reply-To', 'Cc', 'MIME-Version'])
      expect(await mailauthSays(withField(`${name}: x@y.example\r\n`), signing)).not.toContain(
        'pass',
      )
    for (const name of ['List-Archive', 'List-Id', 'X-Spam', 'Received'])
      expect(await mailauthSays(withField(`${name}: x\r\n`), signing)).toEqual(['pass', 'pass'])
  })

  test('the signature says when, and covers the whole body', async () => {
    const tags = await tagsOf(`${TOP}\r\nHi.\r\n`)
    expect(tags.get('t')).toBe(String(Math.floor(NOW / 1000)))
    expect(tags.get('c')).toBe('relaxed/relaxed')
    expect(tags.get('d')).toBe('example.com')
    expect(tags.has('l')).toBe(false)
  })

  test('a body that rspamd hashes otherwise under relaxed is hashed under simple, and no other', async () => {
    const form = async (body: string): Promise<string | undefined> =>
      (await tagsOf(`${TOP}\r\n${body}`)).get('c')
    for (const body of [' \r\n', ' ', '\t\r\n \r\n', '\r\n \r\n', 'a\x0cb\r\n', '\x0c'])
      expect([body, await form(body)]).toEqual([body, 'relaxed/simple'])
    for (const body of [
      '',
      '\r\n',
      '\r\n\r\n',
      ' a\r\n',
      'a\x0bb\r\n',
      '\xa0\r\n',
      ` ${'\r\n'.repeat(9)}x`,
    ])
      expect([body, await form(body)]).toEqual([body, 'relaxed/relaxed'])
  })

  test('lines are short, and a hostile header does not change that', async () => {
    const hostile = `List-;b=x: 1\r\nList-${'x'.repeat(300)}: 1\r\n${'To: x\r\n'.repeat(500)}`
    const text = (await signField(`${TOP}${hostile}\r\n`)).toString('latin1')
    for (const line of text.split('\r\n')) expect(line.length).toBeLessThan(78)
    expect(text.length).toBeLessThan(8_000)
  })

  test('without keys nothing is put on top', async () => {
    expect(await sign(Buffer.from(TOP), { ...signing, keys: [] }, NOW)).toHaveLength(0)
  })
})

function signField(text: string): Promise<Buffer> {
  return sign(Buffer.from(text, 'latin1'), signing, NOW)
}

/** Tags of the first signature, without white space. */
async function tagsOf(text: string): Promise<Map<string, string>> {
  const [field] = parseHeader(await signField(text)).fields
  const tags = valueOf(field!).replaceAll(/\s/g, '').split(';')
  return new Map(
    tags.map((tag) => [tag.slice(0, tag.indexOf('=')), tag.slice(tag.indexOf('=') + 1)]),
  )
}

describe('RFC 8463 appendix A', async () => {
  const folder = new URL('../golden/dkim/', import.meta.url)
  const message = await readFile(new URL('rfc8463.eml', folder))
  const seed = await readFile(new URL('rfc8463-ed25519.seed', folder), 'latin1')
  const pem = await readFile(new URL('rfc8463-rsa.pem', folder))
  // RFC 8410 7: what stands before the 32 bytes in PKCS#8.
  const prefix = Buffer.from('302e020100300506032b657004220420', 'hex')
  const der = Buffer.concat([prefix, Buffer.from(seed, 'base64')])
  const keys = [
    signingKey('brisbane', createPrivateKey({ key: der, format: 'der', type: 'pkcs8' })),
    signingKey('test', createPrivateKey(pem)),
  ]
  const { fields, bodyStart } = parseHeader(message)

  test('the body hash is the published one', () => {
    expect(hashBody(message.subarray(bodyStart))).toBe(
      '2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=',
    )
  })

  for (const [index, key] of keys.entries()) {
    test(`its ${key.algorithm} signature comes out of its key byte by byte`, async () => {
      const published = fields[index]!
      const value = published.raw.replaceAll(/\s/g, '')
      const b = value.slice(value.lastIndexOf(';b=') + 3)
      const named = ['from', 'to', 'subject', 'date', 'message-id']
      const hashed = named.map((name) => relaxField(fields.find((field) => field.name === name)!))
      const empty = { name: published.name, raw: published.raw.replace(/b=[^;]*$/, 'b=') }
      const bytes = Buffer.from([...hashed, relaxField(empty)].join('\r\n'), 'latin1')
      expect(await signatureOf(bytes, key)).toBe(b)
    })
  }
})

function signatureOf(bytes: Buffer, key: SigningKey): Promise<string> {
  return new Promise((resolve, reject) => {
    signRelaxed(bytes, key, (error, signature) => {
      if (error === null) resolve(signature.toString('base64'))
      else reject(error)
    })
  })
}
