// One question to one name server: UDP from a port of its own with an id that cannot be guessed,
// TCP when the answer is cut short. An answer counts only when it comes from the server that was
// asked and answers what was asked; anything else is as if nothing had come.

import { randomInt } from 'node:crypto'
import { createSocket } from 'node:dgram'
import { connect, isIPv6 } from 'node:net'
import type { Clock } from '../base/clock.ts'
import { NOERROR, NXDOMAIN } from './answer.ts'
import { writeName } from './name.ts'
import { parseHeader, parsePacket, parseQuestion, TYPES } from './packet.ts'
import type { Packet } from './packet.ts'
import type { RecordType } from './records.ts'
import type { NameServer } from './servers.ts'

export interface Question {
  /** In lower case, and askable. */
  readonly name: string
  readonly type: RecordType
  /** Asks for DNSSEC data and long answers; some old servers do not understand it (RFC 6891). */
  readonly extended: boolean
}

/** The answer, or why there is none. */
export type Told = { readonly packet: Packet } | { readonly reason: string }

interface Limit {
  readonly clock: Clock
  readonly milliseconds: number
}

/** A response that fits one packet on nearly every path (DNS flag day 2020). */
const UDP_PAYLOAD = 1232

export async function ask(server: NameServer, question: Question, limit: Limit): Promise<Told> {
  const query = { ...question, id: randomInt(65_536) }
  const told = await askOverUdp(server, query, limit)
  if (told !== 'cut short') return told
  return askOverTcp(server, query, limit)
}

interface Query extends Question {
  readonly id: number
}

const INTERNET = 1
// Recursion desired; authentic data (RFC 6840 5.7).
const [RD, AD] = [0x0100, 0x0020]
const DNSSEC_OK = 0x8000

function queryOf({ id, name, type, extended }: Query): Buffer {
  const counts = [1, 0, 0, extended ? 1 : 0]
  const question = [writeName(name), words(TYPES[type], INTERNET)]
  // The root's name, a class that is a size, a time that is flags, and no options (RFC 6891 6.1.2).
  const opt = [Buffer.of(0), words(TYPES.OPT, UDP_PAYLOAD, 0, DNSSEC_OK, 0)]
  return Buffer.concat([words(id, RD | AD, ...counts), ...question, ...(extended ? opt : [])])
}

function words(...numbers: readonly number[]): Buffer {
  const bytes = Buffer.alloc(2 * numbers.length)
  numbers.forEach((number, n) => bytes.writeUInt16BE(number, 2 * n))
  return bytes
}

function askOverUdp(server: NameServer, query: Query, limit: Limit): Promise<Told | 'cut short'> {
  const { promise, resolve } = Promise.withResolvers<Told | 'cut short'>()
  const socket = createSocket(isIPv6(server.host) ? 'udp6' : 'udp4')
  const settle = (told: Told | 'cut short'): void => {
    cancel()
    socket.removeAllListeners().on('error', () => {})
    socket.close()
    resolve(told)
  }
  const cancel = limit.clock.after(limit.milliseconds, () =>
    settle({ reason: 'no answer in time' }),
  )
  socket.once('error', (error: NodeJS.ErrnoException) =>
    settle({ reason: error.code ?? error.message }),
  )
  socket.on('message', (message) => {
    if (!answers(message, query)) return
    // What there is of it may end anywhere.
    if (parseHeader(message)?.truncated === true) return settle('cut short')
    settle(readAnswer(message))
  })
  // A connected socket hears nobody else, and learns that a port is closed.
  socket.once('connect', () => socket.send(queryOf(query)))
  socket.connect(server.port, server.host)
  return promise
}

function askOverTcp(server: NameServer, query: Query, limit: Limit): Promise<Told> {
  const { promise, resolve } = Promise.withResolvers<Told>()
  const socket = connect({ host: server.host, port: server.port })
  const settle = (told: Told): void => {
    cancel()
    socket.destroy()
    resolve(told)
  }
  const cancel = limit.clock.after(limit.milliseconds, () =>
    settle({ reason: 'no answer in time' }),
  )
  socket.on('error', (error: NodeJS.ErrnoException) =>
    settle({ reason: error.code ?? error.message }),
  )
  socket.once('close', () => settle({ reason: 'the name server closed the connection' }))
  const input = new Input()
  socket.on('data', (chunk: Buffer) => {
    const message = input.take(chunk)
    if (message === undefined) return
    if (!answers(message, query)) return settle(NONSENSE)
    if (parseHeader(message)?.truncated === true)
      return settle({ reason: 'an answer that is cut short over TCP' })
    settle(readAnswer(message))
  })
  const bytes = queryOf(query)
  socket.write(Buffer.concat([words(bytes.length), bytes]))
  return promise
}

// A message of a stream: its length, then so many bytes (RFC 1035 4.2.2). They are put together once,
// in however many pieces they come.
class Input {
  #chunks: Buffer[] = []
  #size = 0
  #wanted = Infinity

  /** The message, when this completes it. */
  take(chunk: Buffer): Buffer | undefined {
    this.#chunks.push(chunk)
    this.#size += chunk.length
    if (this.#wanted === Infinity && this.#size >= 2) {
      this.#chunks = [Buffer.concat(this.#chunks)]
      this.#wanted = 2 + this.#chunks[0]!.readUInt16BE(0)
    }
    if (this.#size < this.#wanted) return undefined
    return Buffer.concat(this.#chunks).subarray(2, this.#wanted)
  }
}

const NONSENSE = { reason: 'an answer that makes no sense' } as const

function readAnswer(message: Buffer): Told {
  const packet = parsePacket(message)
  return packet === undefined ? NONSENSE : { packet }
}

/** It answers this query. Nothing else that arrives says anything. */
function answers(message: Buffer, query: Query): boolean {
  const header = parseHeader(message)
  if (header === undefined || !header.response || header.opcode !== 0 || header.id !== query.id)
    return false
  // Servers that do not understand a question need not repeat it.
  if (header.counts[0] === 0) return header.code !== NOERROR && header.code !== NXDOMAIN
  const asked = parseQuestion(message)
  if (asked === undefined) return false
  return asked.type === TYPES[query.type] && asked.class === INTERNET && asked.name === query.name
}
