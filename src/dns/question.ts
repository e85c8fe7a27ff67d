// One question to one name server: UDP from a port of its own with an id that cannot be guessed,
// TCP when the answer is cut short. An answer counts only when it comes from the server that was
// asked and answers what was asked; anything else is as if nothing had come.

import { randomInt } from 'node:crypto'
import { createSocket } from 'node:dgram'
import { connect, isIPv6 } from 'node:net'
import {
  AUTHENTIC_DATA,
  DNSSEC_OK,
  RECURSION_DESIRED,
  decode,
  encode,
  streamEncode,
} from 'dns-packet'
import type { DecodedPacket, Packet, RecordType } from 'dns-packet'
import type { Clock } from '../base/clock.ts'

export interface NameServer {
  readonly host: string
  readonly port: number
}

export interface Question {
  readonly name: string
  readonly type: RecordType
  /** Asks for DNSSEC data and long answers; some old servers do not understand it (RFC 6891). */
  readonly extended: boolean
}

/** The answer, or why there is none. */
export type Told = { readonly packet: DecodedPacket } | { readonly reason: string }

interface Limit {
  readonly clock: Clock
  readonly milliseconds: number
}

/** A response that fits one packet on nearly every path (DNS flag day 2020). */
const UDP_PAYLOAD = 1232

export async function ask(server: NameServer, question: Question, limit: Limit): Promise<Told> {
  const query = queryOf(question)
  const told = await askOverUdp(server, query, limit)
  if ('reason' in told || !told.packet.flag_tc) return told
  return askOverTcp(server, query, limit)
}

function queryOf({ name, type, extended }: Question): Packet {
  return {
    type: 'query',
    id: randomInt(65_536),
    flags: RECURSION_DESIRED | AUTHENTIC_DATA,
    questions: [{ name, type }],
    additionals: extended
      ? [
          {
            type: 'OPT',
            name: '.',
            udpPayloadSize: UDP_PAYLOAD,
            extendedRcode: 0,
            ednsVersion: 0,
            flags: DNSSEC_OK,
            flag_do: true,
            options: [],
          },
        ]
      : [],
  }
}

function askOverUdp(server: NameServer, query: Packet, limit: Limit): Promise<Told> {
  const { promise, resolve } = Promise.withResolvers<Told>()
  const socket = createSocket(isIPv6(server.host) ? 'udp6' : 'udp4')
  const settle = (told: Told): void => {
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
    const packet = readAnswer(message, query)
    if (packet !== undefined) settle({ packet })
  })
  // A connected socket hears nobody else, and learns that a port is closed.
  socket.once('connect', () => socket.send(encode(query)))
  socket.connect(server.port, server.host)
  return promise
}

function askOverTcp(server: NameServer, query: Packet, limit: Limit): Promise<Told> {
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
  let input = Buffer.alloc(0)
  socket.on('data', (chunk: Buffer) => {
    input = Buffer.concat([input, chunk])
    const length = input.length < 2 ? undefined : input.readUInt16BE(0)
    if (length === undefined || input.length < 2 + length) return
    const packet = readAnswer(input.subarray(2, 2 + length), query)
    settle(packet === undefined ? { reason: 'an answer that makes no sense' } : { packet })
  })
  socket.write(streamEncode(query))
  return promise
}

/** `undefined` for what is no answer to this query. */
function readAnswer(message: Buffer, query: Packet): DecodedPacket | undefined {
  let packet: DecodedPacket
  try {
    packet = decode(message)
  } catch {
    return undefined
  }
  const asked = query.questions![0]!
  const [answered, ...more] = packet.questions ?? []
  const fits =
    packet.type === 'response' &&
    packet.id === query.id &&
    answered !== undefined &&
    more.length === 0 &&
    answered.type === asked.type &&
    answered.name.toLowerCase() === asked.name.toLowerCase()
  return fits ? packet : undefined
}
