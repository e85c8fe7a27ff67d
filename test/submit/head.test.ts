// Whatever bytes come, the header that goes out has the fields that were judged, and no other: the
// reader of acceptance, that of the signer, and one that knows nothing of either agree.

import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { compose } from '../../src/submit/header/compose.ts'
import { readHead } from '../../src/submit/header/head.ts'
import { LineEnds } from '../../src/smtp/line-ends.ts'
import { parseHeader } from '../../src/mail/header.ts'
import { runs } from '../peers/chance.ts'

const OURS = 'Received: from a by b; x\r\n'
const GONE = ['bcc', 'resent-bcc', 'return-path']

/** A line ends at LF, CRs in front of it are its own, and any other is a space. */
function linesOf(raw: string): string[] {
  const lines = raw.split('\n').map((line, n, all) => {
    const own = n === all.length - 1 && !line.endsWith('\r') ? line : line.replace(/\r+$/, '')
    return own.replaceAll(/\r+/g, ' ')
  })
  return lines.at(-1) === '' ? lines.slice(0, -1) : lines
}

/** Name and value, unfolded, of each field up to the first line that is none. */
function fieldsOf(lines: readonly string[]): [name: string, value: string][] {
  const fields: [string, string][] = []
  for (const line of lines) {
    const last = fields.at(-1)
    const match = /^([!-9;-~]+)[ \t]*:(.*)$/s.exec(line)
    if (/^[ \t]/.test(line) && last !== undefined) last[1] += line
    else if (match === null) break
    else fields.push([match[1]!.toLowerCase(), match[2]!])
  }
  return fields
}

const SNIPPETS = [
  ['\r', '\n', '\r\n', '\r\r\n', '\r\n\r\n', ' ', '\t', ':', ': ', ' : ', '\r\n '],
  ['From', 'From: ana@near.example', 'From root Mon Nov 30', '>From x', 'Bcc: z', 'Resent-Bcc: y'],
  ['Subject: s', 'Content-Type: text/html', 'Message-ID: <>', 'Date: 2026-11-30T12:00:00Z'],
  ['Return-Path: <x>', 'X', '\xa0', '\0', '\x0b', '\x85', '.', '\xef\xbb\xbf'],
].flat()
const piece = fc.oneof(
  fc.constantFrom(...SNIPPETS),
  fc.integer({ min: 0, max: 255 }).map((code) => String.fromCharCode(code)),
)
const contents = fc.array(piece, { maxLength: 40 }).map((pieces) => pieces.join(''))
const sizes = fc.integer({ min: 1, max: 9 })

test('no byte makes a field that was not judged, and none is lost', () => {
  fc.assert(
    fc.property(contents, sizes, (raw, size) => {
      const lineEnds = new LineEnds()
      const parts: Buffer[] = []
      for (let at = 0; at < raw.length; at += size)
        parts.push(Buffer.from(lineEnds.take(Buffer.from(raw.slice(at, at + size), 'latin1'))))
      const end = lineEnds.end()
      const content = Buffer.concat(end === undefined ? parts : [...parts, end])
      const head = readHead(content)
      const out = compose(head, content, OURS)

      const signed = parseHeader(out)
      const lines = out.toString('latin1').split('\r\n')
      expect(fieldsOf(lines).map(([name]) => name)).toEqual(signed.fields.map(({ name }) => name))
      // Behind the last field stands an empty line, whoever reads it.
      expect(out.toString('latin1', signed.bodyStart - 4, signed.bodyStart)).toBe('\r\n\r\n')
      expect(signed.fields.filter(({ raw }) => /^[!-9;-~]+[ \t]/.test(raw))).toEqual([])

      const given = linesOf(raw)
      let first = 0
      if (given[0]?.startsWith('\xef\xbb\xbf') === true) given[0] = given[0].slice(3)
      while (/^>?From [^:]/.test(given[first] ?? '') && fieldsOf(given.slice(first)).length === 0)
        first++
      const judged = fieldsOf(fieldsOf(given.slice(first)).length > 0 ? given.slice(first) : given)
      const kept = judged.filter(([name]) => !GONE.includes(name))
      const whole = ([name]: [string, string]): boolean => name !== 'date' && name !== 'message-id'
      expect(fieldsOf(lines).slice(1).filter(whole)).toEqual(kept.filter(whole))
    }),
    runs(20_000),
  )
}, 60_000)
