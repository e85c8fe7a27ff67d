// MAIL and RCPT as lines: RFC 5321 4.1.2, 1870, 6152, 6531, 3461.

import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { parseMail, parseRcpt } from '../../src/listen/words/command.ts'
import { formatAddress, formatPath, parseAddress } from '../../src/mail/address.ts'
import { runs } from '../peers/chance.ts'

const postmaster = parseAddress('boss@relay.test')!
const rcpt = (line: string, utf8 = false) => parseRcpt(bytes(line), utf8, postmaster)
const mail = (line: string) => parseMail(bytes(line))

/** As lines come: one character a byte. */
function bytes(line: string): string {
  return Buffer.from(line).toString('latin1')
}

const long = `${'l'.repeat(64)}@${'d'.repeat(63)}.${'e'.repeat(63)}.${'f'.repeat(61)}`

const SENDERS: [path: string, address: string][] = [
  ['<ana@near.example>', '<ana@near.example>'],
  ['<Ana@NEAR.Example>', '<Ana@near.example>'],
  ['<>', '<>'],
  [' <ana@near.example>', '<ana@near.example>'],
  ['<@hop.example,@two.example:ana@near.example>', '<ana@near.example>'],
  ['<@[IPv6:::1]:ana@near.example>', '<ana@near.example>'],
  ['<"ana maria"@near.example>', '<"ana maria"@near.example>'],
  ['<"a\\"b>c <d"@near.example>', '<"a\\"b>c <d"@near.example>'],
  ['<a"b>c"@near.example>', ''],
  ['<"a@b"@near.example>', '<"a@b"@near.example>'],
  ['<ana@xn--bcher-kva.example>', '<ana@xn--bcher-kva.example>'],
  ['<ana@[192.0.2.1]>', '<ana@[192.0.2.1]>'],
  [`<${long}>`, `<${long}>`],
  [`<x${long}>`, ''],
  [`<${'l'.repeat(65)}@near.example>`, `<${'l'.repeat(65)}@near.example>`],
  [`<${'l'.repeat(241)}@near.example>`, `<${'l'.repeat(241)}@near.example>`],
  [`<${'l'.repeat(242)}@near.example>`, ''],
  ['<ab..cd@near.example>', '<ab..cd@near.example>'],
  ['<abc.@near.example>', '<abc.@near.example>'],
  ['<ana>', ''],
  ['<ana@>', ''],
  ['<@near.example>', ''],
  ['<ana@near..example>', ''],
  ['<ana b@near.example>', ''],
  ['<ana@near.example', ''],
  ['<ana@near.example>x', ''],
  ['<ana\r@near.example>', ''],
  ['<a\0@near.example>', ''],
  ['<<ana@near.example>>', ''],
]
for (const [path, address] of SENDERS)
  test(`MAIL FROM:${path.slice(0, 60)} is ${address === '' ? 'refused' : address.slice(0, 60)}`, () => {
    const command = mail(`MAIL FROM:${path}`)
    if (address === '') expect(command).toMatch(/^501 5\.1\.7 /)
    else expect(formatPath((command as { sender: undefined }).sender)).toBe(address)
  })

test('a path of 256 octets is the longest', () => {
  expect(Buffer.byteLength(`<${long}>`)).toBe(256)
})

const WRONG: [line: string, reply: string][] = [
  ['MAIL', '501 5.5.4'],
  ['MAIL FROM', '501 5.5.4'],
  ['MAIL TO:<a@b.test>', '501 5.5.4'],
  ['MAIL FROM:a@b.test', '501 5.5.4'],
  ['MAIL FROM:<a@b.test> WHAT=1', '555 5.5.4'],
  ['MAIL FROM:<a@b.test> HOLDFOR=10', '555 5.5.4'],
  ['MAIL FROM:<a@b.test> NOTIFY=NEVER', '555 5.5.4'],
  ['MAIL FROM:<a@b.test> SIZE', '501 5.5.4'],
  ['MAIL FROM:<a@b.test> SIZE=', '501 5.5.4'],
  ['MAIL FROM:<a@b.test> SIZE=-1', '501 5.5.4'],
  ['MAIL FROM:<a@b.test> SIZE=1 SIZE=1', '501 5.5.4'],
  ['MAIL FROM:<a@b.test> BODY=BINARYMIME', '501 5.5.4'],
  ['MAIL FROM:<a@b.test> RET=ALL', '501 5.5.4'],
  ['MAIL FROM:<a@b.test> ENVID=a+0D+0Ab', '501 5.5.4'],
  ['MAIL FROM:<a@b.test> ENVID=a+7F', '501 5.5.4'],
  ['MAIL FROM:<a@b.test> ENVID=a+ZZ', '501 5.5.4'],
  ['MAIL FROM:<a@b.test> ENVID=a+2b', '501 5.5.4'],
  ['MAIL FROM:<a@b.test> ENVID=a=b', '501 5.5.4'],
  [`MAIL FROM:<a@b.test> ENVID=${'x'.repeat(101)}`, '501 5.5.4'],
  ['MAIL FROM:<a@b.test> SMTPUTF8=yes', '501 5.5.4'],
  ['MAIL FROM:<jürgen@b.test>', '553 5.6.7'],
  ['MAIL FROM:<a@bücher.test>', '553 5.6.7'],
]
for (const [line, reply] of WRONG)
  test(`${line.slice(0, 60)} gets ${reply}`, () => {
    expect((mail(line) as string).slice(0, 9)).toBe(reply)
  })

test('all parameters of MAIL are kept', () => {
  const line =
    'mail from:<jürgen@bücher.test> size=1000 body=8bitmime SMTPUTF8 RET=hdrs ENVID=QQ+2B1 AUTH=<>'
  expect(mail(line)).toEqual({
    sender: { local: 'jürgen', domain: 'xn--bcher-kva.test' },
    size: 1000,
    smtpUtf8: true,
    ret: 'hdrs',
    envid: 'QQ+2B1',
  })
})

test('an address that is no UTF-8 is refused', () => {
  expect(parseMail('MAIL FROM:<j\xfcrgen@b.test> SMTPUTF8')).toMatch(/^501 5\.1\.7 /)
})

test('postmaster without a domain is ours, and only then', () => {
  expect(rcpt('RCPT TO:<PostMaster>')).toEqual({ address: postmaster })
  expect(rcpt('RCPT TO:<postmaster@far.example>')).toMatchObject({
    address: { domain: 'far.example' },
  })
  expect(rcpt('RCPT TO:<somebody>')).toMatch(/^501 5\.1\.3 /)
})

const RECIPIENTS: [line: string, expected: string | object][] = [
  ['RCPT TO:<b@c.test> NOTIFY=NEVER', { notify: ['never'] }],
  ['RCPT TO:<b@c.test> NOTIFY=success,DELAY', { notify: ['success', 'delay'] }],
  ['RCPT TO:<b@c.test> NOTIFY=NEVER,DELAY', '501 5.5.4'],
  ['RCPT TO:<b@c.test> NOTIFY=', '501 5.5.4'],
  ['RCPT TO:<b@c.test> NOTIFY=MAYBE', '501 5.5.4'],
  ['RCPT TO:<b@c.test> ORCPT=rfc822;b+2Bx@c.test', { orcpt: 'rfc822;b+2Bx@c.test' }],
  ['RCPT TO:<b@c.test> ORCPT=utf-8;j\\x{FC}rgen@c.test', { orcpt: 'utf-8;j\\x{FC}rgen@c.test' }],
  ['RCPT TO:<b@c.test> ORCPT=utf-8;j\\x{0A}x@c.test', '501 5.5.4'],
  ['RCPT TO:<b@c.test> ORCPT=rfc822;b+0A@c.test', '501 5.5.4'],
  ['RCPT TO:<b@c.test> ORCPT=rfc822;', '501 5.5.4'],
  ['RCPT TO:<b@c.test> ORCPT=b@c.test', '501 5.5.4'],
  [`RCPT TO:<b@c.test> ORCPT=rfc822;${'x'.repeat(500)}`, '501 5.5.4'],
  ['RCPT TO:<b@c.test> SIZE=1', '555 5.5.4'],
  ['RCPT TO:<>', '501 5.1.3'],
  ['RCPT TO:<jürgen@c.test>', '553 5.6.7'],
]
for (const [line, expected] of RECIPIENTS)
  test(`${line.slice(0, 60)} gives ${JSON.stringify(expected)}`, () => {
    const command = rcpt(line)
    if (typeof expected === 'string') expect((command as string).slice(0, 9)).toBe(expected)
    else expect(command).toMatchObject(expected)
  })

test('with SMTPUTF8 a recipient may be written in any script', () => {
  expect(rcpt('RCPT TO:<用户@例え.test> ORCPT=utf-8;用户@例え.test', true)).toMatchObject({
    address: { local: '用户', domain: 'xn--r8jz45g.test' },
  })
})

test('any bytes give a sound address or a whole reply', () => {
  const line = fc
    .array(
      fc.oneof(
        fc.constantFrom(
          '<',
          '>',
          '@',
          '"',
          '\\',
          ':',
          ',',
          ' ',
          '.',
          'a',
          'b.test',
          '=',
          'SIZE',
          '[',
          ']',
        ),
        fc.integer({ min: 0, max: 255 }).map((code) => String.fromCharCode(code)),
      ),
      { maxLength: 30 },
    )
    .map((parts) => parts.join(''))
  fc.assert(
    fc.property(line, fc.boolean(), (rest, utf8) => {
      const command = parseRcpt(`RCPT TO:<${rest}`, utf8, postmaster)
      if (typeof command === 'string') expect(command).toMatch(/^5\d\d 5\.\d\.\d [ -~]+\r\n$/)
      else expect(formatAddress(command.address)).not.toMatch(/[\p{Cc}<>]/u)
    }),
    runs(5000),
  )
})
