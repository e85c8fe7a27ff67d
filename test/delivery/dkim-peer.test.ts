// The package dkim-signer 0.2.2 as a peer: where it signs right, our signer computes the same bytes
// from the same field; where it does not, verifiers say so, and that is why we have our own.

import { DKIMSign } from 'dkim-signer'
import { describe, expect, test } from 'vitest'
import { hashBody } from '../../src/delivery/sign/body.ts'
import { relaxField } from '../../src/delivery/sign/header.ts'
import { sign, signRelaxed } from '../../src/delivery/sign/dkim.ts'
import { parseHeader, valueOf, type Field } from '../../src/mail/header.ts'
import { mailauthSays, newSigning } from './dkim-judges.ts'

const { keys, ...rest } = newSigning('example.com')
const signing = { ...rest, keys: keys.slice(0, 1) }
const key = signing.keys[0]!

const TOP =
  'From: Ana <ana@example.com>\r\nTo: bo@far.example\r\nSubject: Hello\r\n' +
  'Date: Sun, 22 Nov 2026 22:38:13 +0000\r\nMessage-ID: <1@example.com>\r\n'

/** Text stands for bytes, as latin1. */
const SAME: [name: string, message: string][] = [
  ['a plain message', `${TOP}\r\nHi.\r\n`],
  ['tabs, runs of spaces and white space at line ends', `${TOP}\r\n\ta\tb  c \r\n  d\t\r\n`],
  ['empty lines at the start and the end', `${TOP}\r\n\r\nHi.\r\n\r\n\r\n`],
  ['a body without a line end', `${TOP}\r\nHi.`],
  ['UTF-8 in the body', `${TOP}\r\nGr\xc3\xbc\xc3\x9fe\r\n`],
  ['folded fields', `${TOP.replace('Hello', '\r\n\tHello,\r\n  there \t is')}\r\nHi.\r\n`],
  ['names in capitals', `${TOP}MIME-VERSION: 1.0\r\ncontent-TYPE: text/plain\r\n\r\nHi.\r\n`],
]
const WRONG: [name: string, message: string][] = [
  ['a no-break space in UTF-8 at the end of a line', `${TOP}\r\nHi.\xc2\xa0\r\n`],
  ['any other white space beyond ASCII', `${TOP}\r\na\xe2\x80\x83b\r\n`],
  ['a form feed', `${TOP}\r\na\x0cb\r\n`],
  ['a vertical tab', `${TOP}\r\na\x0bb\r\n`],
  ['Latin-1 bytes in the body', `${TOP}\r\nbl\xe5\r\n`],
  ['an empty body', `${TOP}\r\n`],
  ['a body of white space alone', `${TOP}\r\n \r\n`],
  ['raw Latin-1 in a field that it signs', `${TOP}Reply-To: J\xf6rg <j@far.example>\r\n\r\nHi\r\n`],
  ['a no-break space in a field', `${TOP}Reply-To: J\xc2\xa0 <j@far.example>\r\n\r\nHi\r\n`],
]

function peerField(message: Buffer): string {
  const privateKey = key.key.export({ type: 'pkcs8', format: 'pem' }).toString()
  const options = { privateKey, domainName: 'example.com', keySelector: key.selector }
  return DKIMSign(message, options)
}

function tagOf(field: string, name: string): string {
  const value = new RegExp(`[;\\s]${name}=([^;]*)`).exec(field)?.[1] ?? ''
  return value.replaceAll(/\s/g, '')
}

/** Our signature over that field with `b=` emptied, and over what its `h=` names. */
function ourSignature(field: string, message: Buffer): Promise<string> {
  const left = [...parseHeader(message).fields]
  const take = (name: string): Field | undefined => {
    const at = left.findLastIndex((each) => each.name === name)
    return at === -1 ? undefined : left.splice(at, 1)[0]
  }
  const named = tagOf(field, 'h').split(':').map(take)
  const signed = named.flatMap((each) => (each === undefined ? [] : [relaxField(each) + '\r\n']))
  const raw = field.replace(/([;\s]b=)[^;]*$/, '$1')
  const own = relaxField({ name: 'dkim-signature', raw })
  const bytes = Buffer.from(signed.join('') + own, 'latin1')
  return new Promise((resolve, reject) => {
    signRelaxed(bytes, key, (error, signature) =>
      error === null ? resolve(signature.toString('base64')) : reject(error),
    )
  })
}

describe('dkim-signer 0.2.2', () => {
  for (const [name, text] of SAME)
    test(`signs ${name} as we do`, async () => {
      const message = Buffer.from(text, 'latin1')
      const field = peerField(message)
      expect(tagOf(field, 'bh')).toBe(hashBody(message.subarray(parseHeader(message).bodyStart)))
      expect(tagOf(field, 'b')).toBe(await ourSignature(field, message))
      expect(valueOf(parseHeader(Buffer.from(`${field}\r\n\r\n`)).fields[0]!)).toContain('v=1')
    })

  for (const [name, text] of WRONG)
    test(`signs ${name} so that it does not verify, and we do`, async () => {
      const message = Buffer.from(text, 'latin1')
      const theirs = Buffer.concat([Buffer.from(`${peerField(message)}\r\n`), message])
      expect(await mailauthSays(theirs, signing)).not.toEqual(['pass'])
      const ours = Buffer.concat([await sign(message, signing, Date.now()), message])
      expect(await mailauthSays(ours, signing)).toEqual(['pass'])
    })
})
