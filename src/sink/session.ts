// One connection to the sink: commands in, replies out, content up to a lone dot. Replies to
// commands that came in one packet go out in one.

import type { Socket } from 'node:net'
import type { SinkWorld } from './world.ts'

const LINE_LIMIT = 4096
const KEPT = 1024 * 1024
const IDLE = 5 * 60_000
const DOT = Buffer.from('\r\n.\r\n')
const EXTENSIONS = ['PIPELINING', '8BITMIME', 'SMTPUTF8', 'ENHANCEDSTATUSCODES', 'SIZE', 'DSN']

export class SinkSession {
  readonly #socket: Socket
  readonly #world: SinkWorld
  #buffer: Buffer = Buffer.alloc(0)
  #replies = ''
  #from: string | undefined
  #to: string[] = []
  /** Content is arriving: the pieces that are kept, and the size of all. */
  #content: { kept: Buffer[]; size: number } | undefined
  /** A late reply is on its way; commands wait. */
  #waiting = false

  constructor(socket: Socket, world: SinkWorld) {
    this.#socket = socket
    this.#world = world
  }

  begin(): void {
    this.#socket.setTimeout(IDLE, () => this.#socket.destroy())
    this.#socket.on('error', () => {}) // The client went away; 'close' follows.
    this.#socket.on('data', (chunk: Buffer) => this.#take(chunk))
    this.#socket.write(`220 ${this.#world.hostname} ESMTP sink\r\n`)
  }

  #take(chunk: Buffer): void {
    this.#buffer = this.#buffer.length === 0 ? chunk : Buffer.concat([this.#buffer, chunk])
    this.#proceed()
  }

  #proceed(): void {
    while (!this.#waiting && !this.#socket.destroyed) {
      const more = this.#content === undefined ? this.#takeCommand() : this.#takeContent()
      if (!more) break
    }
    if (this.#replies === '' || this.#socket.destroyed) return
    this.#socket.write(this.#replies)
    this.#replies = ''
  }

  #reply(text: string): void {
    this.#replies += `${text}\r\n`
  }

  #takeCommand(): boolean {
    const end = this.#buffer.indexOf('\r\n')
    if (end === -1) {
      if (this.#buffer.length > LINE_LIMIT) this.#socket.destroy()
      return false
    }
    const line = this.#buffer.toString('utf8', 0, end)
    this.#buffer = this.#buffer.subarray(end + 2)
    this.#answer(line)
    return true
  }

  #answer(line: string): void {
    const [word = ''] = line.split(' ', 1)
    switch (word.toUpperCase()) {
      case 'EHLO':
        this.#reset()
        return this.#reply(this.#hello())
      case 'HELO':
        this.#reset()
        return this.#reply(`250 ${this.#world.hostname}`)
      case 'MAIL':
        return this.#mail(line)
      case 'RCPT':
        return this.#rcpt(line)
      case 'DATA':
        return this.#data()
      case 'RSET':
        this.#reset()
        return this.#reply('250 2.0.0 Forgotten')
      case 'NOOP':
        return this.#reply('250 2.0.0 Here')
      case 'QUIT':
        return this.#quit()
      default:
        return this.#reply('500 5.5.1 Command not known')
    }
  }

  #hello(): string {
    const lines = [this.#world.hostname, ...EXTENSIONS]
    return lines.map((text, n) => `250${n < lines.length - 1 ? '-' : ' '}${text}`).join('\r\n')
  }

  #mail(line: string): void {
    if (this.#from !== undefined) return this.#reply('503 5.5.1 One MAIL at a time')
    this.#from = pathOf(line)
    this.#reply('250 2.1.0 Sender ok')
  }

  #rcpt(line: string): void {
    if (this.#from === undefined) return this.#reply('503 5.5.1 MAIL first')
    const to = pathOf(line)
    const refusal = this.#refusalOf(to)
    if (refusal === undefined) {
      this.#to.push(to)
      return this.#reply('250 2.1.5 Recipient ok')
    }
    const { world, from } = { world: this.#world, from: this.#from }
    world.report({ kind: 'refused', at: world.clock.now(), from, to, reply: refusal })
    this.#reply(refusal)
  }

  #refusalOf(to: string): string | undefined {
    const wish = wishOf(to)
    if (wish?.word === 'reject') return '550 5.1.1 No such user here'
    if (wish?.word !== 'defer' || this.#world.countOf(to) > wish.times) return undefined
    return '450 4.7.1 Greylisted, come back later'
  }

  #data(): void {
    if (this.#to.length === 0) return this.#reply('554 5.5.1 No valid recipients')
    if (this.#wants('drop')) return this.#drop()
    this.#content = { kept: [], size: 0 }
    this.#reply('354 Go ahead')
    // The dot may stand alone: the CRLF before it is then that of the command.
    this.#buffer = Buffer.concat([Buffer.from('\r\n'), this.#buffer])
  }

  #takeContent(): boolean {
    const end = this.#buffer.indexOf(DOT)
    if (end === -1) {
      // The last four bytes may begin the dot.
      this.#keep(this.#buffer.subarray(0, -4))
      this.#buffer = this.#buffer.subarray(-4)
      return false
    }
    this.#keep(this.#buffer.subarray(0, end + 2))
    this.#buffer = this.#buffer.subarray(end + DOT.length)
    this.#end()
    return true
  }

  #keep(bytes: Buffer): void {
    const content = this.#content!
    if (content.size < KEPT && bytes.length > 0) content.kept.push(Buffer.from(bytes))
    content.size += bytes.length
  }

  #end(): void {
    if (this.#wants('unknown')) return this.#drop()
    if (!this.#wants('slow')) return this.#taken()
    this.#waiting = true
    const cancel = this.#world.clock.after(this.#world.slow, () => {
      this.#waiting = false
      if (this.#socket.destroyed) return
      this.#taken()
      this.#proceed()
    })
    this.#socket.once('close', cancel)
  }

  #taken(): void {
    const { kept, size } = this.#content!
    const [from, to] = [this.#from ?? '', this.#to]
    const content = unstuff(Buffer.concat(kept).subarray(2))
    const client = this.#socket.remoteAddress ?? ''
    const at = this.#world.clock.now()
    this.#reset()
    this.#world.report({ kind: 'taken', at, client, from, to, size: size - 2, content })
    this.#reply('250 2.0.0 Taken')
  }

  // `drop-` and `unknown-` for ever, `drop2-` the first two times.
  #wants(word: string): boolean {
    const asking = this.#to.filter((to) => wishOf(to)?.word === word)
    return asking.some((to) => this.#world.countOf(to) <= wishOf(to)!.times)
  }

  #drop(): void {
    const [from, to] = [this.#from ?? '', this.#to.join(' ')]
    this.#world.report({ kind: 'dropped', at: this.#world.clock.now(), from, to })
    this.#socket.destroy()
  }

  #quit(): void {
    this.#socket.end(`${this.#replies}221 2.0.0 Bye\r\n`)
    this.#replies = ''
    this.#waiting = true
  }

  #reset(): void {
    this.#from = undefined
    this.#to = []
    this.#content = undefined
  }
}

interface Wish {
  readonly word: string
  readonly times: number
}

/** What a local part such as `defer2-bo` asks for; `slow-` counts for ever, `defer-` once. */
function wishOf(address: string): Wish | undefined {
  const match = /^(defer|reject|slow|drop|unknown)(\d{0,4})-/.exec(address)
  if (match === null) return undefined
  const [, word = '', digits = ''] = match
  if (digits !== '') return { word, times: Number(digits) }
  return { word, times: word === 'defer' ? 1 : Number.POSITIVE_INFINITY }
}

function pathOf(line: string): string {
  return /<([^>]*)>/.exec(line)?.[1] ?? ''
}

// A line that begins with a dot was sent with one more (RFC 5321 4.5.2).
function unstuff(content: Buffer): Buffer {
  const text = content.toString('latin1').replaceAll('\r\n..', '\r\n.')
  return Buffer.from(text.startsWith('..') ? text.slice(1) : text, 'latin1')
}
