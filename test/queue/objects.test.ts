// Where an object store is, as operators write it; and what is kept there of a message. WAYPOST_TEST_SEED
// repeats a run's chance.

import {
  assert,
  boolean,
  integer,
  nat,
  option,
  property,
  record,
  string,
  uint8Array,
} from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { NewMail } from '../../src/queue/port/intake.ts'
import type { MessageId } from '../../src/queue/port/types.ts'
import { formatBucket, readBucket } from '../../src/queue/bullmq/s3/address.ts'
import { decode, encode, INLINE, lengthOf } from '../../src/queue/bullmq/s3/object.ts'
import { runs } from '../peers/chance.ts'
import { lane } from './mail.ts'

const addresses: [text: string, read: object, shown: string][] = [
  ['s3://mail', { bucket: 'mail', prefix: '' }, 's3://mail'],
  ['s3://mail/a/b/', { bucket: 'mail', prefix: 'a/b' }, 's3://mail/a/b'],
  [
    's3://mail/relay?region=eu-central-1',
    { bucket: 'mail', prefix: 'relay', region: 'eu-central-1' },
    's3://mail/relay',
  ],
  [
    's3://mail/relay?endpoint=http://127.0.0.1:9000&region=us-east-1',
    { bucket: 'mail', prefix: 'relay', endpoint: 'http://127.0.0.1:9000', region: 'us-east-1' },
    's3://mail/relay at http://127.0.0.1:9000',
  ],
]
for (const [text, read, shown] of addresses)
  test(`${text} is an object store`, () => {
    expect(readBucket(text)).toEqual(read)
    expect(formatBucket(readBucket(text))).toBe(shown)
  })

const mistakes: [text: string, says: string][] = [
  ['mail/relay', 'is no object store, write s3://bucket/prefix?region='],
  ['http://s3.example.com/mail', 'is no object store'],
  ['s3:///relay', 'names no bucket'],
  ['s3://Mail', 'names no bucket'],
  ['s3://key:secret@mail', '"s3://…@mail" has a login: credentials do not belong there'],
  ['s3://mail//relay', 'is no prefix of objects'],
  ['s3://mail/re lay', 'is no prefix of objects'],
  ['s3://mail?zone=a', '"zone" is nothing to say of an object store, only endpoint and region are'],
  ['s3://mail?region=a&region=b', 'region is there twice'],
  ['s3://mail?region=', '"" is no region, write one such as eu-central-1'],
  ['s3://mail?endpoint=s3.example.com', 'is no endpoint, write one such as https://'],
  ['s3://mail?endpoint=https://s3.example.com/path', 'is no endpoint'],
  ['s3://mail?endpoint=https://key:secret@s3.example.com', 'the endpoint has a login'],
]
for (const [text, says] of mistakes)
  test(`${text} is told with what to write`, () => {
    expect(() => readBucket(text)).toThrow(says)
    expect(messageOf(() => readBucket(text))).not.toContain('secret')
  })

function messageOf(work: () => unknown): string {
  try {
    work()
    return ''
  } catch (error) {
    return (error as Error).message
  }
}

const ID = '0an9y5x8c00cp6' as MessageId

const mails = record({
  local: string({ unit: 'binary', minLength: 1 }),
  count: integer({ min: 1, max: 50 }),
  bytes: uint8Array({ maxLength: 2000 }),
  at: nat(),
  once: option(record({ key: string(), until: nat() }), { nil: undefined }),
  large: boolean(),
}).map(({ local, count, bytes, at, once, large }): NewMail => {
  const domain = 'far.example' as never
  const recipients = Array.from({ length: count }, (_, n) => ({
    address: { local: `${local}${n}`, domain },
  }))
  return {
    id: ID,
    at,
    envelope: {
      sender: undefined,
      recipients,
      submitter: { protocol: 'ESMTP', rule: 'relay.yaml:1' },
      size: bytes.length,
      eightBit: false,
      smtpUtf8: false,
      fromDomains: [],
    },
    content: large
      ? { key: ID, size: INLINE + 1 }
      : { key: ID, size: bytes.length, bytes: Buffer.from(bytes) },
    deliveries: [
      {
        destination: lane('far.example'),
        queue: 'default',
        rule: 'routing.yaml:1',
        priority: 10,
        recipients: recipients.map((_, n) => n),
        due: at,
        expireAt: at + 1000,
      },
    ],
    ...(once === undefined ? {} : { once }),
  }
})

describe('An object of a message', () => {
  test('gives back what was written, and its content behind it', () => {
    const holds = property(mails, (mail) => {
      const object = encode(mail, ID)
      const { id, mail: read } = decode(object)
      const { bytes, ...content } = mail.content
      expect(id).toBe(ID)
      expect(JSON.stringify(read)).toBe(JSON.stringify({ ...mail, content }))
      expect(object.subarray(lengthOf(object))).toEqual(Buffer.from(bytes ?? []))
    })
    assert(holds, runs(1000))
  })

  test('that was cut off or changed in its header is refused', () => {
    const holds = property(mails, nat(), integer({ min: 1, max: 255 }), (mail, at, by) => {
      const object = encode(mail, ID)
      const length = lengthOf(object)
      expect(() => decode(object.subarray(0, at % length))).toThrow(/^(it|its) /)
      object[at % length]! ^= by
      expect(() => decode(object)).toThrow(/^(it|its) /)
    })
    assert(holds, runs(1000))
  })

  test('that others wrote is refused', () => {
    assert(
      property(uint8Array(), (bytes) => {
        expect(() => decode(bytes)).toThrow('it was not written by a relay')
      }),
      runs(1000),
    )
  })

  test('of another version says which', () => {
    const object = Buffer.from('waypost-mail 12 whatever comes then\n')
    expect(() => decode(object)).toThrow('its version is 12, and this relay reads 1')
  })
})
