// A name server whose packets are written by hand: for what no library would write.

import { createSocket } from 'node:dgram'
import { once } from 'node:events'

export interface RawDns extends AsyncDisposable {
  /** `127.0.0.1:port` */
  readonly server: string
}

/** Records, each with its name in front, and where they stand. */
export interface Raw {
  /** Two bytes after the id; default: a response with recursion, RCODE 0. */
  readonly flags?: number
  readonly answers?: readonly Buffer[]
  readonly authorities?: readonly Buffer[]
  readonly additionals?: readonly Buffer[]
  /** Bytes behind the last record. */
  readonly tail?: Buffer
  /** In place of the counts of the three sections. */
  readonly counts?: readonly [number, number, number]
}

/** The name that was asked for. */
export const ASKED = Buffer.from([0xc0, 12])

export function record(type: number, data: Uint8Array, name = ASKED, ttl = 300): Buffer {
  const fixed = Buffer.alloc(10)
  fixed.writeUInt16BE(type, 0)
  fixed.writeUInt16BE(1, 2)
  fixed.writeUInt32BE(ttl, 4)
  fixed.writeUInt16BE(data.length, 8)
  return Buffer.concat([name, fixed, data])
}

/** The whole packet that answers a query. */
export function packetOf(query: Buffer, raw: Raw): Buffer {
  let end = 12
  while (query[end] !== 0) end += query[end]! + 1
  const question = query.subarray(12, end + 5)
  const { answers = [], authorities = [], additionals = [], tail = Buffer.alloc(0) } = raw
  const counts = raw.counts ?? [answers.length, authorities.length, additionals.length]
  const header = Buffer.alloc(12)
  query.copy(header, 0, 0, 2)
  header.writeUInt16BE(raw.flags ?? 0x8180, 2)
  ;[1, ...counts].forEach((count, n) => header.writeUInt16BE(count, 4 + 2 * n))
  return Buffer.concat([header, question, ...answers, ...authorities, ...additionals, tail])
}

/** Answers each query by UDP; the type of the question tells what. */
export async function startRawDns(answer: (type: number, query: Buffer) => Raw): Promise<RawDns> {
  const socket = createSocket('udp4')
  socket.on('message', (query, from) => {
    let end = 12
    while (query[end] !== 0) end += query[end]! + 1
    const raw = answer(query.readUInt16BE(end + 1), query)
    socket.send(packetOf(query, raw), from.port, from.address)
  })
  socket.bind(0, '127.0.0.1')
  await once(socket, 'listening')
  return {
    server: `127.0.0.1:${socket.address().port}`,
    [Symbol.asyncDispose]: async () => {
      const closed = once(socket, 'close')
      socket.close()
      await closed
    },
  }
}
