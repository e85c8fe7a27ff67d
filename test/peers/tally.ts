// A next hop that counts: it takes mail as fast as it comes, remembers of each message its
// number (the header field X-Number), envelope, size and connection but not its content, and can
// be stopped at the points where a crash of its client matters. It outlives the relay.

import { once } from 'node:events'
import { createServer, type Server, type Socket } from 'node:net'

/** One connection of a client. */
export interface Call {
  readonly number: number
  /** What was taken over it, in order. */
  readonly mails: Tallied[]
  /** It ended with QUIT; else it was cut. */
  quit: boolean
  closed: boolean
}

/** One transaction that got as far as its final dot. */
export interface Tallied {
  /** Of X-Number in the header; in a notice, of the mail that it tells of. */
  readonly number: number | undefined
  readonly notice: boolean
  readonly from: string
  readonly to: readonly string[]
  readonly bytes: number
  readonly call: Call
  /** When its final dot came, in milliseconds of `performance.now`. */
  readonly at: number
}

export interface TallyRules {
  /** Before the greeting; a promise holds it back. */
  readonly connected?: (call: Call) => void | Promise<void>
  /** The reply to RCPT, when it is not 250. */
  readonly recipient?: (to: string) => string | undefined
  /** After the final dot, before its reply; a promise holds it back. */
  readonly dot?: (mail: Tallied) => string | void | Promise<void>
  /** When the reply to the final dot was handed to the kernel. */
  readonly replied?: (mail: Tallied) => void
}

export interface Tally extends AsyncDisposable {
  readonly port: number
  /** What it took (said 250 to, or meant to), in order. */
  readonly mails: readonly Tallied[]
  readonly calls: readonly Call[]
  rules: TallyRules
  /** Cuts every open connection. */
  cut(): void
}

/** Enough to find X-Number in the header, and in the report that a notice carries. */
const KEPT = 64 * 1024
const END = Buffer.from('\r\n.\r\n')

export async function startTally(rules: TallyRules = {}, port = 0): Promise<Tally> {
  const sockets = new Set<Socket>()
  const tally = { rules, mails: [] as Tallied[], calls: [] as Call[] }
  const server = createServer({ noDelay: true }, (socket) => {
    sockets.add(socket.once('close', () => sockets.delete(socket)))
    const call = { number: tally.calls.length + 1, mails: [], quit: false, closed: false }
    tally.calls.push(call)
    void new Conversation(socket, call, tally).begin()
  })
  await once(server.listen(port, '127.0.0.1'), 'listening')
  return Object.assign(tally, {
    port: (server.address() as { port: number }).port,
    cut: () => {
      for (const socket of sockets) socket.destroy()
    },
    [Symbol.asyncDispose]: () => close(server, sockets),
  })
}

async function close(server: Server, sockets: ReadonlySet<Socket>): Promise<void> {
  const closed = once(server, 'close')
  server.close()
  for (const socket of sockets) socket.destroy()
  await closed
}

class Conversation {
  #socket: Socket
  #call: Call
  #tally: { rules: TallyRules; mails: Tallied[] }
  #rest: Buffer = Buffer.alloc(0)
  #from: string | undefined
  #to: string[] = []
  #content: { head: Buffer; bytes: number; tail: Buffer } | undefined

  constructor(socket: Socket, call: Call, tally: { rules: TallyRules; mails: Tallied[] }) {
    this.#socket = socket
    this.#call = call
    this.#tally = tally
  }

  async begin(): Promise<void> {
    this.#socket.on('error', () => {})
    this.#socket.once('close', () => (this.#call.closed = true))
    await this.#tally.rules.connected?.(this.#call)
    this.#say('220 tally.example ESMTP')
    for await (const chunk of this.#chunks()) await this.#read(chunk)
  }

  async *#chunks(): AsyncGenerator<Buffer> {
    try {
      yield* this.#socket as AsyncIterable<Buffer>
    } catch {
      // A client that was killed resets its connections.
    }
  }

  async #read(chunk: Buffer): Promise<void> {
    this.#rest = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk])
    while (this.#rest.length > 0)
      if (this.#content === undefined ? !this.#readCommands() : !(await this.#readContent())) return
  }

  /** All whole lines that are there, answered in one write. */
  #readCommands(): boolean {
    const replies: string[] = []
    while (this.#content === undefined) {
      const end = this.#rest.indexOf('\r\n')
      if (end === -1) break
      replies.push(this.#answer(this.#rest.toString('latin1', 0, end)))
      this.#rest = this.#rest.subarray(end + 2)
    }
    if (replies.length > 0) this.#say(replies.join('\r\n'))
    return this.#content !== undefined
  }

  #answer(line: string): string {
    const verb = line.slice(0, 4).toUpperCase()
    switch (verb) {
      case 'EHLO':
        return '250-tally.example\r\n250-PIPELINING\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n250 ENHANCEDSTATUSCODES'
      case 'MAIL':
        this.#from = pathOf(line)
        this.#to = []
        return '250 2.1.0 ok'
      case 'RCPT':
        return this.#recipient(pathOf(line))
      case 'DATA':
        return this.#begin()
      case 'RSET':
        this.#from = undefined
        return '250 2.0.0 ok'
      case 'QUIT':
        this.#call.quit = true
        setImmediate(() => this.#socket.end())
        return '221 2.0.0 bye'
      case 'NOOP':
        return '250 2.0.0 ok'
      default:
        return '500 5.5.2 what?'
    }
  }

  #recipient(to: string): string {
    if (this.#from === undefined) return '503 5.5.1 MAIL first'
    const other = this.#tally.rules.recipient?.(to)
    if (other === undefined) this.#to.push(to)
    return other ?? '250 2.1.5 ok'
  }

  #begin(): string {
    if (this.#from === undefined || this.#to.length === 0) return '554 5.5.1 no recipients'
    // The line end before the content counts: content may be nothing but the dot.
    this.#content = { head: Buffer.alloc(0), bytes: 0, tail: Buffer.from('\r\n') }
    return '354 go on'
  }

  async #readContent(): Promise<boolean> {
    const content = this.#content!
    const near = Buffer.concat([content.tail, this.#rest])
    const end = near.indexOf(END)
    const taken = end === -1 ? this.#rest.length : end + END.length - content.tail.length
    const piece = this.#rest.subarray(0, taken)
    content.bytes += piece.length
    if (content.head.length < KEPT) content.head = Buffer.concat([content.head, piece])
    content.tail = near.subarray(-4)
    this.#rest = this.#rest.subarray(taken)
    if (end === -1) return false
    this.#content = undefined
    await this.#take(content.head.toString('latin1', 0, KEPT), content.bytes - 3)
    return true
  }

  async #take(head: string, bytes: number): Promise<void> {
    const number = /^X-Number: (\d+)/m.exec(head)?.[1]
    const mail: Tallied = {
      number: number === undefined ? undefined : Number(number),
      notice: this.#from === '',
      from: this.#from ?? '',
      to: this.#to,
      bytes,
      call: this.#call,
      at: performance.now(),
    }
    this.#from = undefined
    const { dot, replied } = this.#tally.rules
    const verdict = dot?.(mail)
    const reply = typeof verdict === 'string' ? verdict : '250 2.0.0 taken'
    if (reply.startsWith('2')) {
      this.#tally.mails.push(mail)
      this.#call.mails.push(mail)
    }
    if (verdict instanceof Promise) await verdict
    this.#say(reply)
    replied?.(mail)
  }

  #say(text: string): void {
    if (this.#socket.writable) this.#socket.write(`${text}\r\n`)
  }
}

function pathOf(line: string): string {
  return /<(.*?)>/.exec(line)?.[1] ?? ''
}
