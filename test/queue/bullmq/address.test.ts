// Addresses of Redis as operators write them: what each means, what a mistake is answered with, and that
// no password is ever repeated.

import {
  array,
  assert,
  boolean,
  constantFrom,
  domain,
  integer,
  ipV4,
  ipV6,
  oneof,
  property,
  record,
  string,
  stringMatching,
} from 'fast-check'
import { expect, test } from 'vitest'

import {
  formatAddress,
  readAddress,
  type RedisAddress,
} from '../../../src/queue/bullmq/link/address.ts'

const server = (host: string, port: number, rest: Partial<RedisAddress> = {}): RedisAddress => {
  return { kind: 'server', hosts: [{ host, port }], tls: false, database: 0, ...rest }
}

const ONE = { host: '10.0.0.1', port: 26_379 }
const TWO = { host: '10.0.0.2', port: 5000 }

const GOOD: Readonly<Record<string, RedisAddress>> = {
  'redis://127.0.0.1': server('127.0.0.1', 6379),
  'redis://127.0.0.1/': server('127.0.0.1', 6379),
  'redis://redis.example:7000/3': server('redis.example', 7000, { database: 3 }),
  'redis://[::1]:7000': server('::1', 7000),
  'rediss://redis.example': server('redis.example', 6379, { tls: true }),
  'redis://:pass@h': server('h', 6379, { password: 'pass' }),
  'redis://ana@h': server('h', 6379, { user: 'ana' }),
  'redis://ana:p%40%3Ass:w@h': server('h', 6379, { user: 'ana', password: 'p@:ss:w' }),
  'redis+sentinel://10.0.0.1,10.0.0.2:5000/main': {
    kind: 'sentinel',
    hosts: [ONE, TWO],
    name: 'main',
    tls: false,
    database: 0,
  },
  'redis+sentinel://ana:word@10.0.0.1/main/2': {
    kind: 'sentinel',
    hosts: [ONE],
    name: 'main',
    tls: false,
    user: 'ana',
    password: 'word',
    database: 2,
  },
}

for (const [text, address] of Object.entries(GOOD))
  test(`"${text}" is read`, () => expect(readAddress(text)).toEqual(address))

const WRITE = ', write redis://127.0.0.1:6379/0, rediss://'
const BAD: Readonly<Record<string, string>> = {
  '': `"" is no address of Redis${WRITE}`,
  '127.0.0.1:6379': `"127.0.0.1:6379" is no address of Redis${WRITE}`,
  'http://h': '"http://h" is no address of Redis',
  'redis:h': '"redis:…" is no address of Redis',
  'redis://': '"redis://" is no address of Redis',
  'redis://h/0?tls=1': 'is no address of Redis',
  'redis://h/0/1': '"0/1" is no database, write a number such as 0',
  'redis://h/mail': '"mail" is no database, write a number such as 0',
  'redis://h/-1': '"-1" is no database',
  'redis://h:0': '"h:0" is no host of Redis',
  'redis://h:65536': '"h:65536" is no host of Redis',
  'redis://h:port': '"h:…" is no host of Redis',
  'redis://::1': '"::1" is no host of Redis',
  'redis://a,b': '"a,b" are several hosts, which only redis+sentinel:// takes',
  'redis+sentinel://a,b': '"redis+sentinel://a,b" names no master',
  'redis+sentinel://a//0': 'names no master',
  'redis+sentinel://a,,b/main': '"" is no host of Redis',
  'redis+sentinel://a/main/x': '"x" is no database',
  'redis://h:secret/0': '"h:…" is no host of Redis',
  'redis://ana:secret@h/0?x': '"redis://…@h/0?x" is no address of Redis',
  'redis://ana:p%zz@h':
    '"redis://…@h" has a login with a "%" that stands for nothing, write it as %25',
  'redis://ana:sec/ret@h': '"redis://…@h" is no address of Redis',
  'redis://ana:sec@ret@h/mail': '"redis://…@h/mail" is no address of Redis',
}

for (const [text, says] of Object.entries(BAD))
  test(`"${text}" is refused, with what to write`, () => {
    expect(() => readAddress(text)).toThrow(says)
  })

const word = string({ unit: 'binary', minLength: 1, maxLength: 12 })
const host = oneof(domain(), ipV4(), ipV6())
const port = integer({ min: 1, max: 65_535 })
const database = integer({ min: 0, max: 9999 })

test('whatever user, password, host, port and database there are, they are read as written', () => {
  const written = record({ tls: boolean(), host, port, user: word, password: word, database })
  assert(
    property(written, ({ tls, user, password, ...rest }) => {
      const name = rest.host.includes(':') ? `[${rest.host}]` : rest.host
      const login = `${encodeURIComponent(user)}:${encodeURIComponent(password)}`
      const text = `${tls ? 'rediss' : 'redis'}://${login}@${name}:${rest.port}/${rest.database}`
      const { host, port, database } = rest
      expect(readAddress(text)).toEqual(server(host, port, { tls, user, password, database }))
    }),
  )
})

test('what people are shown is read as the same address, without the password', () => {
  const sentinels = array(record({ host, port }), { minLength: 1, maxLength: 4 })
  const address = record({ hosts: sentinels, database, name: stringMatching(/^[a-z]{1,9}$/) })
  assert(
    property(address, word, (some, password) => {
      const whole = { kind: 'sentinel', tls: false, ...some } as const
      expect(readAddress(formatAddress({ ...whole, password }))).toEqual(whole)
    }),
  )
})

test('no mistake whatever makes it repeat a password', () => {
  const around = constantFrom('', '/', ':', '@', '?', '#', ',', '/0', '//', '%', ' ', '\n')
  const scheme = constantFrom('redis://', 'rediss://', 'redis+sentinel://', 'redsi://', 'redis:')
  assert(
    property(scheme, around, around, around, (scheme, one, two, three) => {
      try {
        readAddress(`${scheme}ana:${one}hunter2${two}@h${three}`)
      } catch (error) {
        expect((error as Error).message).not.toContain('hunter2')
      }
    }),
  )
})

test('anything at all is read or answered with a sentence', () => {
  assert(
    property(string({ unit: 'binary' }), (text) => {
      for (const each of [text, `redis://${text}`, `redis+sentinel://${text}`])
        try {
          const { hosts, database } = readAddress(each)
          expect(hosts.every(({ port }) => port > 0 && port < 65_536)).toBe(true)
          expect(database).toBeGreaterThanOrEqual(0)
        } catch (error) {
          expect((error as Error).message).toMatch(/ Redis|database|names no master|login/)
        }
    }),
  )
})
