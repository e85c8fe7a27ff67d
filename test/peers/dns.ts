// A name server that follows a zone, over UDP and TCP on a loopback port.
//
//   await using dns = await startDns({
//     'far.example': { MX: ['10 mx.far.example'] },
//     'mx.far.example': { A: ['127.0.0.2'], AAAA: ['::1'], ttl: 60 },
//     'ill.example': 'servfail',
//   })
//   createResolver({ servers: [dns.server], … })

import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { createServer } from 'node:net'
import type { Socket } from 'node:net'
import { decode, encode, streamDecode, streamEncode } from 'dns-packet'
import type { Answer, Packet, Question } from 'dns-packet'

/** What goes wrong: `silent` never answers, `garbage` is no packet, `alien` answers another question. */
export type Fault = 'servfail' | 'refused' | 'silent' | 'garbage' | 'alien'

/** Records of one name. A type that is not here is NODATA; a name that is not in the zone, NXDOMAIN. */
export interface Records {
  readonly A?: readonly string[] | Fault
  readonly AAAA?: readonly string[] | Fault
  /** `10 mx.far.example`; `0 .` is the null MX. */
  readonly MX?: readonly string[] | Fault
  readonly CNAME?: string
  readonly TXT?: readonly string[] | Fault
  /** Seconds; default 300. */
  readonly ttl?: number
  /** Over UDP it is cut short (TC), and asked again over TCP. */
  readonly long?: boolean
  /** The answer claims to be validated (AD). */
  readonly authentic?: boolean
}

export type Zone = Record<string, Records | Fault>

export interface Dns extends AsyncDisposable {
  /** `127.0.0.1:port` */
  readonly server: string
  /** What it was asked: "far.example MX udp". */
  readonly asked: string[]
  /** Changes the zone from here on; names that are not given stay. */
  set(zone: Zone): void
  remove(name: string): void
}

const RCODE = { servfail: 2, nxdomain: 3, refused: 5 } as const
const AD = 1 << 5
const TC = 1 << 9
const RD_RA = (1 << 8) | (1 << 7)

export async function startDns(zone: Zone = {}): Promise<Dns> {
  const names = new Map<string, Records | Fault>()
  const asked: string[] = []
  const set = (more: Zone): void => {
    for (const [name, records] of Object.entries(more)) names.set(name.toLowerCase(), records)
  }
  set(zone)
  const reply = (query: Packet, transport: 'udp' | 'tcp'): Packet | Fault => {
    const question = query.questions?.[0]
    if (question === undefined) return 'silent'
    asked.push(`${question.name} ${question.type} ${transport}`)
    return answer(names, query, question, transport)
  }
  const { port, close } = await listen(reply)
  return {
    server: `127.0.0.1:${port}`,
    asked,
    set,
    remove: (name) => void names.delete(name),
    [Symbol.asyncDispose]: close,
  }
}

type Reply = (query: Packet, transport: 'udp' | 'tcp') => Packet | Fault

// TCP first, on any port; then UDP on the same one, which may be taken.
async function listen(reply: Reply): Promise<{ port: number; close: () => Promise<void> }> {
  for (let tries = 0; ; tries++) {
    const open = new Set<Socket>()
    const tcp = createServer((socket) => {
      open.add(socket.once('close', () => open.delete(socket)))
      serveTcp(socket, reply)
    })
    const udp = createSocket('udp4')
    await once(tcp.listen(0, '127.0.0.1'), 'listening')
    const { port } = tcp.address() as { port: number }
    const close = async (): Promise<void> => {
      for (const socket of open) socket.destroy()
      const closed = [once(tcp, 'close'), once(udp, 'close')]
      tcp.close()
      udp.close()
      await Promise.all(closed)
    }
    try {
      udp.bind(port, '127.0.0.1')
      await once(udp, 'listening')
    } catch (error) {
      await close()
      if (tries === 10) throw error
      continue
    }
    udp.on('message', (message, from) => {
      const packet = reply(decode(message), 'udp')
      if (packet === 'silent') return
      const bytes = packet === 'garbage' ? garbage(message) : encode(packet as Packet)
      udp.send(bytes, from.port, from.address)
    })
    return { port, close }
  }
}

function serveTcp(socket: Socket, reply: Reply): void {
  let input = Buffer.alloc(0)
  socket.on('error', () => {})
  socket.on('data', (chunk: Buffer) => {
    input = Buffer.concat([input, chunk])
    while (input.length >= 2 && input.length >= 2 + input.readUInt16BE(0)) {
      const end = 2 + input.readUInt16BE(0)
      const packet = reply(streamDecode(input.subarray(0, end)), 'tcp')
      input = input.subarray(end)
      if (typeof packet === 'object') socket.write(streamEncode(packet))
    }
  })
}

function garbage(message: Buffer): Buffer {
  return Buffer.concat([
    message.subarray(0, 2),
    Buffer.from([0x81, 0x80, 0, 1, 0, 9, 0, 0, 0, 0, 99]),
  ])
}

function answer(
  names: Map<string, Records | Fault>,
  query: Packet,
  question: Question,
  transport: 'udp' | 'tcp',
): Packet | Fault {
  const base: Packet = {
    type: 'response',
    id: query.id ?? 0,
    flags: RD_RA,
    questions: [question],
    // As real servers do: EDNS is answered with EDNS.
    additionals: (query.additionals ?? []).filter((one) => one.type === 'OPT'),
  }
  const chain: Answer[] = []
  let name = question.name.toLowerCase()
  for (let hops = 0; hops < 20; hops++) {
    const entry = names.get(name)
    if (entry === undefined)
      return { ...base, flags: RD_RA | RCODE.nxdomain, answers: chain, authorities: [soa()] }
    if (typeof entry === 'string') return fault(entry, base)
    if (entry.CNAME !== undefined && question.type !== 'CNAME') {
      chain.push({ type: 'CNAME', name, ttl: entry.ttl ?? 300, data: entry.CNAME })
      name = entry.CNAME.toLowerCase()
      continue
    }
    const records = entry[question.type as 'A']
    if (typeof records === 'string' && isFault(records)) return fault(records, base)
    const list = records === undefined ? [] : [records].flat()
    const answers = [
      ...chain,
      ...list.map((text) => record(question.type, name, entry.ttl ?? 300, text)),
    ]
    const flags = RD_RA | (entry.authentic === true ? AD : 0)
    if (entry.long === true && transport === 'udp') return { ...base, flags: flags | TC }
    return { ...base, flags, answers, ...(list.length === 0 ? { authorities: [soa()] } : {}) }
  }
  return { ...base, answers: chain }
}

function isFault(text: string): text is Fault {
  return ['servfail', 'refused', 'silent', 'garbage', 'alien'].includes(text)
}

function fault(kind: Fault, base: Packet): Packet | Fault {
  if (kind === 'servfail' || kind === 'refused') return { ...base, flags: RD_RA | RCODE[kind] }
  if (kind !== 'alien') return kind
  const data = '127.6.6.6'
  const name = 'alien.example'
  return {
    ...base,
    questions: [{ type: 'A', name }],
    answers: [{ type: 'A', name, ttl: 300, data }],
  }
}

function record(type: string, name: string, ttl: number, text: string): Answer {
  if (type === 'MX') {
    const [preference = '0', exchange = ''] = text.split(' ')
    return { type, name, ttl, data: { preference: Number(preference), exchange } }
  }
  // A string of a record has at most 255 bytes (RFC 1035 3.3.14).
  if (type === 'TXT') return { type, name, ttl, data: text.match(/.{1,255}/gs) ?? [''] }
  return { type: type as 'A', name, ttl, data: text }
}

function soa(): Answer {
  const data = { mname: 'ns.example', rname: 'root.example', serial: 1, minimum: 60 }
  return { type: 'SOA', name: 'example', ttl: 300, data }
}
