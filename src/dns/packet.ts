// A packet of a name server, read once over the lengths that it states (RFC 1035 4.1). Whatever
// does not fit together to its last byte is nonsense as a whole: half an answer would be taken for
// another answer, and mail would bounce because of it.

import { Names, Nonsense } from './name.ts'

/** Types of records that mean something here (RFC 1035 3.2.2, 3596, 6672, 6891, 4034). */
export const TYPES = {
  A: 1,
  NS: 2,
  CNAME: 5,
  SOA: 6,
  MX: 15,
  TXT: 16,
  AAAA: 28,
  DNAME: 39,
  OPT: 41,
  RRSIG: 46,
} as const

export interface Header {
  readonly id: number
  readonly response: boolean
  readonly opcode: number
  /** TC: it did not fit. */
  readonly truncated: boolean
  /** RA: the server asks others for us. */
  readonly recursive: boolean
  /** AD: the server says that it has validated the answer. */
  readonly authentic: boolean
  /** RCODE; the four bits of the header alone. */
  readonly code: number
  /** Of questions, answers, authorities and additional records. */
  readonly counts: readonly [number, number, number, number]
}

export interface Question {
  readonly name: string
  readonly type: number
  readonly class: number
}

/** A record whose data stand from `start` to `end`. */
export interface Entry {
  readonly name: string
  readonly type: number
  readonly class: number
  /** Seconds. */
  readonly ttl: number
  readonly start: number
  readonly end: number
}

export interface Packet {
  readonly header: Header
  /** With the upper eight bits that EDNS has (RFC 6891 6.1.3). */
  readonly code: number
  readonly answers: readonly Entry[]
  /** Seconds that what is not there may be remembered for; absent without a SOA record. */
  readonly negativeTtl?: number
  /** Names of servers, and no SOA: "ask them". */
  readonly referral: boolean
  readonly bytes: Buffer
  readonly names: Names
}

const HEADER = 12
/** Of a record, between its name and its data. */
const FIXED = 10

/** `undefined`: too short for a header. */
export function parseHeader(bytes: Buffer): Header | undefined {
  if (bytes.length < HEADER) return undefined
  const [flags, code] = [bytes.readUInt8(2), bytes.readUInt8(3)]
  const count = (n: number): number => bytes.readUInt16BE(4 + 2 * n)
  return {
    id: bytes.readUInt16BE(0),
    response: (flags & 0x80) !== 0,
    opcode: (flags >> 3) & 15,
    truncated: (flags & 0x02) !== 0,
    recursive: (code & 0x80) !== 0,
    authentic: (code & 0x20) !== 0,
    code: code & 15,
    counts: [count(0), count(1), count(2), count(3)],
  }
}

/** The one question of a packet; `undefined` where there is none, or it cannot be read. */
export function parseQuestion(bytes: Buffer): Question | undefined {
  if (parseHeader(bytes)?.counts[0] !== 1) return undefined
  return sound(() => {
    const names = new Names(bytes)
    const end = names.skip(HEADER)
    const [type, klass] = [bytes.readUInt16BE(end), bytes.readUInt16BE(end + 2)]
    return { name: names.read(HEADER), type, class: klass }
  })
}

/** `undefined`: it makes no sense. */
export function parsePacket(bytes: Buffer): Packet | undefined {
  const header = parseHeader(bytes)
  return header === undefined ? undefined : sound(() => new Walk(bytes, header).packet())
}

// Reads beyond the end are thrown by Buffer.
function sound<Result>(read: () => Result): Result | undefined {
  try {
    return read()
  } catch (error) {
    if (error instanceof Nonsense || error instanceof RangeError) return undefined
    throw error
  }
}

class Walk {
  readonly #bytes: Buffer
  readonly #header: Header
  readonly #names: Names
  #at = HEADER
  #extendedCode: number | undefined
  #negativeTtl: number | undefined
  #servers = false

  constructor(bytes: Buffer, header: Header) {
    this.#bytes = bytes
    this.#header = header
    this.#names = new Names(bytes)
  }

  packet(): Packet {
    const [questions, answers, authorities, additionals] = this.#header.counts
    for (let n = 0; n < questions; n++) this.#at = this.#names.skip(this.#at) + 4
    const found: Entry[] = []
    for (let n = 0; n < answers; n++) found.push(this.#answer())
    for (let n = 0; n < authorities; n++) this.#authority()
    for (let n = 0; n < additionals; n++) this.#additional()
    if (this.#at !== this.#bytes.length) throw new Nonsense('bytes that belong to no record')
    const negative = this.#negativeTtl
    return {
      header: this.#header,
      code: ((this.#extendedCode ?? 0) << 4) | this.#header.code,
      answers: found,
      ...(negative === undefined ? {} : { negativeTtl: negative }),
      referral: this.#servers && negative === undefined,
      bytes: this.#bytes,
      names: this.#names,
    }
  }

  #answer(): Entry {
    const entry = this.#record(this.#names.read(this.#at))
    this.#check(entry)
    return entry
  }

  #authority(): void {
    const { type, ttl, start, end } = this.#record('')
    if (type === TYPES.NS) this.#servers = true
    if (type !== TYPES.SOA) return
    const times = this.#names.skip(this.#names.skip(start))
    if (times + 20 !== end) throw new Nonsense('a SOA record of another length')
    // RFC 2308 5: the lesser of the record's own time and its minimum.
    this.#negativeTtl = Math.min(ttl, seconds(this.#bytes.readUInt32BE(times + 16)))
  }

  #additional(): void {
    const at = this.#at
    const { type } = this.#record('')
    if (type !== TYPES.OPT) return
    // RFC 6891 6.1.1, 6.1.3: one, of the root, with the upper bits of the code where others have a TTL.
    if (this.#extendedCode !== undefined || this.#bytes.readUInt8(at) !== 0)
      throw new Nonsense('two OPT records, or one with a name')
    this.#extendedCode = this.#bytes.readUInt8(at + 5)
  }

  /** The record that begins here. */
  #record(name: string): Entry {
    const bytes = this.#bytes
    const at = this.#names.skip(this.#at)
    const start = at + FIXED
    const end = start + bytes.readUInt16BE(at + 8)
    if (end > bytes.length) throw new Nonsense('a record that is cut short')
    this.#at = end
    const ttl = seconds(bytes.readUInt32BE(at + 4))
    return {
      name,
      type: bytes.readUInt16BE(at),
      class: bytes.readUInt16BE(at + 2),
      ttl,
      start,
      end,
    }
  }

  // Also of records that nobody will keep: they say how sound the packet is.
  #check({ type, start, end }: Entry): void {
    switch (type) {
      case TYPES.A:
        return this.#must(end - start === 4)
      case TYPES.AAAA:
        return this.#must(end - start === 16)
      case TYPES.CNAME:
        return this.#must(this.#names.skip(start) === end)
      case TYPES.MX:
        return this.#must(this.#names.skip(start + 2) === end)
      case TYPES.TXT:
        return this.#must(this.#hasStrings(start, end))
    }
  }

  /** One or more, each with its length before it. */
  #hasStrings(start: number, end: number): boolean {
    let at = start
    while (at < end) at += 1 + this.#bytes.readUInt8(at)
    return at === end && end > start
  }

  #must(holds: boolean): void {
    if (!holds) throw new Nonsense('a record of another length')
  }
}

/** RFC 2181 8: a time with its highest bit set is none. */
function seconds(ttl: number): number {
  return ttl > 0x7fff_ffff ? 0 : ttl
}
