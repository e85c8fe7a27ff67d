// Packets as strangers' name servers could make them: what is sound is read as another reader
// reads it, and whatever was cut, stretched or twisted is no answer.

import { isIPv4, isIPv6 } from 'node:net'
import { encode } from 'dns-packet'
import type { Answer as Record } from 'dns-packet'
import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { readPacket } from '../../src/dns/answer.ts'
import type { Read } from '../../src/dns/answer.ts'
import { parsePacket } from '../../src/dns/packet.ts'
import type { RecordType } from '../../src/dns/records.ts'
import { ASKED, packetOf, record } from '../peers/raw-dns.ts'
import type { Raw } from '../peers/raw-dns.ts'
import { runs } from '../peers/chance.ts'

const NAME = 'far.example'
const TYPES: RecordType[] = ['A', 'AAAA', 'MX', 'TXT']
const [A, NS, CNAME, SOA] = [1, 2, 5, 6] as const
const [MX, TXT, AAAA, OPT] = [15, 16, 28, 41] as const

const label = fc.stringMatching(/^[a-z0-9]([a-z0-9-]{0,8}[a-z0-9])?$/)
const host = fc.array(label, { minLength: 1, maxLength: 4 }).map((labels) => labels.join('.'))
const six = fc.array(fc.constantFrom('0', '0', '1', 'db8', 'ffff'), { minLength: 8, maxLength: 8 })
const anyRecords = fc.oneof(
  fc.record({ type: fc.constant('A' as const), data: fc.array(fc.ipV4(), { maxLength: 5 }) }),
  fc.record({
    type: fc.constant('AAAA' as const),
    data: fc.array(
      six.map((groups) => groups.join(':')),
      { maxLength: 5 },
    ),
  }),
  fc.record({
    type: fc.constant('MX' as const),
    data: fc.array(fc.record({ preference: fc.nat(65_535), exchange: host }), { maxLength: 5 }),
  }),
  fc.record({
    type: fc.constant('TXT' as const),
    data: fc.array(fc.array(fc.string({ maxLength: 60 }), { minLength: 1, maxLength: 3 }), {
      maxLength: 3,
    }),
  }),
)
type Made = typeof anyRecords extends fc.Arbitrary<infer Value> ? Value : never

function encoded({ type, data }: Made): Buffer {
  const answers = data.map((one) => ({ type, name: NAME, ttl: 300, data: one }) as Record)
  return encode({
    type: 'response',
    id: 7,
    flags: 0x180,
    questions: [{ type, name: NAME }],
    answers,
    authorities: [
      {
        type: 'SOA',
        name: 'example',
        ttl: 60,
        data: { mname: 'ns.example', rname: 'root.example', serial: 1, minimum: 60 },
      },
    ],
    additionals: [
      {
        type: 'OPT',
        name: '.',
        udpPayloadSize: 1232,
        extendedRcode: 0,
        ednsVersion: 0,
        flags: 0,
        flag_do: false,
        options: [],
      },
    ],
  })
}

/** `undefined`: it makes no sense. */
function read(bytes: Buffer, type: RecordType): Read | undefined {
  const packet = parsePacket(bytes)
  return packet && readPacket(packet, type, NAME)
}

function plainSix(address: string): string {
  return new URL(`http://[${address}]/`).hostname.slice(1, -1)
}

test('what another program has written is read as it was meant', () => {
  fc.assert(
    fc.property(anyRecords, (made) => {
      const answer = read(encoded(made), made.type)
      if (made.data.length === 0) {
        expect(answer).toMatchObject({ kind: 'no data' })
        return
      }
      const meant: unknown[] =
        made.type === 'TXT'
          ? made.data.map((strings) => strings.join(''))
          : made.type === 'AAAA'
            ? made.data.map(plainSix)
            : [...made.data]
      expect(answer).toMatchObject({ kind: 'records', name: NAME, ttl: 300, more: 0 })
      expect(answer).toHaveProperty('records', meant)
    }),
  )
})

test('a packet that ends early, or goes on, is none', () => {
  fc.assert(
    fc.property(anyRecords, fc.nat(), (made, at) => {
      const whole = encoded(made)
      expect(parsePacket(whole.subarray(0, at % whole.length))).toBeUndefined()
      expect(parsePacket(Buffer.concat([whole, Buffer.of(0)]))).toBeUndefined()
    }),
  )
})

// fast-check prints the seed and the path of what fails.
const mutation = fc.record({
  at: fc.nat(),
  act: fc.constantFrom('set', 'flip', 'drop', 'double', 'insert'),
  byte: fc.oneof(fc.constantFrom(0, 1, 0x3f, 0x40, 0xc0, 0xff), fc.nat(255)),
})

function mutate(bytes: Buffer, { at, act, byte }: { at: number; act: string; byte: number }) {
  const where = 2 + (at % (bytes.length - 2))
  const [before, after] = [bytes.subarray(0, where), bytes.subarray(where)]
  const piece = bytes.subarray(where, where + 1 + (byte % 20))
  switch (act) {
    case 'set':
      return Buffer.concat([before, Buffer.of(byte), after.subarray(1)])
    case 'flip':
      return Buffer.concat([before, Buffer.of(after[0]! ^ (1 << (byte % 8))), after.subarray(1)])
    case 'drop':
      return Buffer.concat([before, after.subarray(piece.length)])
    case 'double':
      return Buffer.concat([before, piece, after])
    default:
      return Buffer.concat([before, Buffer.of(byte), after])
  }
}

test('of twisted packets nothing comes but addresses, hosts, texts, or nothing', () => {
  fc.assert(
    fc.property(
      anyRecords,
      fc.array(mutation, { minLength: 1, maxLength: 4 }),
      fc.constantFrom(...TYPES),
      (made, mutations, asked) => {
        const bytes = mutations.reduce(mutate, encoded(made))
        const answer = read(bytes, asked)
        if (answer?.kind !== 'records') return
        expect(answer.records.length).toBeGreaterThan(0)
        for (const one of answer.records) {
          if (asked === 'A') expect(one).toSatisfy(isIPv4)
          else if (asked === 'AAAA') expect(one).toSatisfy(isIPv6)
          else expect(one).toEqual(asked === 'TXT' ? expect.any(String) : mx)
        }
      },
    ),
    runs(5000),
  )
})
const mx = { preference: expect.any(Number), exchange: expect.stringMatching(/^[!-~]*$/) }

const QUERY = encode({ type: 'query', id: 7, questions: [{ type: 'A', name: NAME }] })
const FOUR = Buffer.of(192, 0, 2, 1)
const SIX = Buffer.alloc(16, 1)
const soa = record(SOA, Buffer.concat([ASKED, ASKED, Buffer.alloc(20)]))
const opt = (extended: number): Buffer =>
  Buffer.concat([Buffer.of(0, 0, OPT, 4, 208, extended, 0, 0, 0, 0, 0)])
const NOTHING = Buffer.alloc(0)

const BROKEN: [what: string, type: RecordType, raw: Raw][] = [
  ['an IPv4 address of two bytes', 'A', { answers: [record(A, Buffer.of(10, 0))] }],
  ['an IPv4 address of five bytes', 'A', { answers: [record(A, Buffer.alloc(5))] }],
  ['an IPv6 address of four bytes', 'AAAA', { answers: [record(AAAA, FOUR)] }],
  ['an IPv6 address without bytes', 'AAAA', { answers: [record(AAAA, NOTHING)] }],
  ['a broken address beside a good one', 'A', { answers: [record(A, FOUR), record(A, NOTHING)] }],
  ['an MX record without a name', 'MX', { answers: [record(MX, Buffer.of(0, 0))] }],
  [
    'an MX record without a name before a good one',
    'MX',
    {
      answers: [record(MX, Buffer.of(0, 0)), record(MX, Buffer.concat([Buffer.of(0, 9), ASKED]))],
    },
  ],
  ['an MX record with bytes behind its name', 'MX', { answers: [record(MX, Buffer.alloc(4))] }],
  [
    'a text whose string is longer than itself',
    'TXT',
    { answers: [record(TXT, Buffer.of(9, 65))] },
  ],
  ['an alias without a name', 'A', { answers: [record(CNAME, NOTHING)] }],
  ['a record longer than the packet', 'A', { counts: [1, 0, 0], tail: Buffer.of(0xc0, 12, 0, 1) }],
  ['more records than there are', 'A', { answers: [record(A, FOUR)], counts: [9, 0, 0] }],
  ['fewer records than there are', 'A', { answers: [record(A, FOUR)], counts: [0, 0, 0] }],
  ['a SOA record without its times', 'A', { authorities: [record(SOA, ASKED)] }],
  ['two OPT records', 'A', { additionals: [opt(0), opt(0)] }],
  [
    'a name that points at itself',
    'A',
    { answers: [record(A, FOUR, Buffer.of(0xc0, 29))], counts: [1, 0, 0] },
  ],
  ['a label of a kind that is not used', 'A', { answers: [record(A, FOUR, Buffer.of(0x80))] }],
]
for (const [what, type, raw] of BROKEN) {
  test(`${what} makes the packet nonsense`, () => {
    expect(read(packetOf(QUERY, raw), type)).toBeUndefined()
  })
}

const TROUBLE: [what: string, raw: Raw][] = [
  ['records of another name', { answers: [record(A, FOUR, Buffer.from('\x01a\x00', 'latin1'))] }],
  ['records of another type', { answers: [record(AAAA, SIX)] }],
  [
    'servers to ask, from one that asks nobody',
    { flags: 0x8000, authorities: [record(NS, ASKED)] },
  ],
  ['an alias to itself', { answers: [record(CNAME, ASKED)] }],
]
for (const [what, raw] of TROUBLE) {
  test(`an answer with ${what} is trouble, not "there is none"`, () => {
    expect(read(packetOf(QUERY, raw), 'A')).toMatchObject({ kind: 'trouble' })
  })
}

test('the upper bits of the code count', () => {
  const bytes = packetOf(QUERY, { authorities: [soa], additionals: [opt(1)] })
  expect(parsePacket(bytes)?.code).toBe(16)
})

test('a label with a dot in it is not two labels', () => {
  const name = Buffer.from('\x0bfar.example\x00', 'latin1')
  const answer = read(packetOf(QUERY, { answers: [record(A, FOUR, name)] }), 'A')
  expect(answer).toMatchObject({ kind: 'trouble' })
})

test('bytes of a name that are no plain signs are kept apart', () => {
  const exchange = Buffer.from('\x00\x0a\x05b\xfcCH \x00', 'latin1')
  const answer = read(packetOf(QUERY, { answers: [record(MX, exchange)] }), 'MX')
  expect(answer).toMatchObject({ records: [{ preference: 10, exchange: 'b\\252ch\\032' }] })
})

test('names made to be long to read end the reading', () => {
  // Blocks of a longest name each, and records whose names begin at other places in them.
  const block = Buffer.concat([
    ...Array.from({ length: 126 }, () => Buffer.of(1, 97)),
    Buffer.of(0),
  ])
  const names = record(99, Buffer.concat(Array.from({ length: 60 }, () => block)))
  const begin = 12 + 13 + 4 + 12
  const owners = Array.from({ length: 3000 }, (_, n) => {
    const pointer = Buffer.alloc(2)
    pointer.writeUInt16BE(0xc000 | (begin + block.length * (n % 60) + 2 * Math.floor(n / 60)))
    return record(A, FOUR, pointer)
  })
  expect(parsePacket(packetOf(QUERY, { answers: [names, ...owners.slice(0, 100)] }))).toBeDefined()
  expect(parsePacket(packetOf(QUERY, { answers: [names, ...owners] }))).toBeUndefined()
})

test('a name through more pointers than a name can have labels is none', () => {
  const begin = 12 + 13 + 4 + 12
  const pointers = Array.from({ length: 200 }, (_, n) => {
    const pointer = Buffer.alloc(2)
    pointer.writeUInt16BE(0xc000 | (n === 0 ? 12 : begin + 2 * (n - 1)))
    return pointer
  })
  const chain = record(99, Buffer.concat(pointers))
  const at = (hops: number): Buffer => {
    const name = Buffer.alloc(2)
    name.writeUInt16BE(0xc000 | (begin + 2 * hops))
    return packetOf(QUERY, { answers: [chain, record(A, FOUR, name)], authorities: [] })
  }
  expect(parsePacket(at(100))).toBeDefined()
  expect(parsePacket(at(150))).toBeUndefined()
})

test('of thousands of records only those are kept that could be used', () => {
  const count = 2200
  const hosts = Array.from({ length: count }, (_, n) => {
    const preference = Buffer.alloc(2)
    preference.writeUInt16BE(count - n)
    return record(
      MX,
      Buffer.concat([preference, Buffer.from(`\x05h${1000 + n}\xc0\x0c`, 'latin1')]),
    )
  })
  const answer = read(packetOf(QUERY, { answers: hosts }), 'MX')
  if (answer?.kind !== 'records') throw new Error('expected records')
  expect(answer.records).toHaveLength(64)
  expect(answer.more).toBe(count - 64)
  // The most preferred are the last ones here.
  expect(answer.records.at(-1)).toEqual({ preference: 1, exchange: 'h3199.far.example' })
  const addresses = Array.from({ length: 4000 }, (_, n) =>
    record(A, Buffer.of(10, 1, n >> 8, n & 255)),
  )
  expect(read(packetOf(QUERY, { answers: addresses }), 'A')).toMatchObject({ more: 3968 })
  const texts = Array.from({ length: 200 }, () => record(TXT, Buffer.alloc(256, 255)))
  const kept = read(packetOf(QUERY, { answers: texts }), 'TXT')
  expect(JSON.stringify(kept).length).toBeLessThan(64 * 1024)
})
