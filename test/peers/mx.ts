// A mail server that follows a script, on a real socket of the loopback network. For every
// command the script may name what is answered the first time, the second time, and so on;
// the last answer repeats, over all sessions. What it takes is kept as bytes, with its envelope.
//
//   await using mx = await startMx({ RCPT: ['450 4.7.1 Come back later', '250 ok'] })
//   mx.taken[0]?.content

import { once } from 'node:events'
import { createServer } from 'node:net'
import type { Socket } from 'node:net'
import { TLSSocket } from 'node:tls'
import type { Certificate } from './certificate.ts'
import { PATIENCE } from './patience.ts'

/** Closes the connection instead of an answer. */
export const drop = Symbol('drop')
/** Answers nothing at all, ever. */
export const silence = Symbol('silence')

/** A reply without its CRLF (`\n` between lines; after a 421 the server closes), or what to do. */
export type Answer =
  | string
  | typeof drop
  | typeof silence
  /** Answers, and closes. */
  | { readonly last: string }
  /** Decides by the command; a promise holds the answer back until it resolves. */
  | ((command: string, session: Session) => Answer | Promise<Answer>)

export const VERBS = [
  'greeting',
  'EHLO',
  'HELO',
  'STARTTLS',
  'AUTH',
  'response',
  'MAIL',
  'RCPT',
  'DATA',
  'dot',
  'RSET',
  'QUIT',
] as const
export type Verb = (typeof VERBS)[number]

export type Script = { readonly [verb in Verb]?: Answer | readonly Answer[] } & {
  /** What EHLO offers; default PIPELINING, SIZE, 8BITMIME, SMTPUTF8, DSN, ENHANCEDSTATUSCODES. */
  readonly offers?: readonly string[]
  /** Offers STARTTLS with it. */
  readonly certificate?: Certificate
  /** TLS from the first byte, with the certificate. */
  readonly implicit?: boolean
  /** Answers after this many bytes of content, before it is whole. */
  readonly early?: { readonly after: number; readonly answer: Answer }
}

export interface Place {
  /** Default 127.0.0.1; with port 25 and no address, a free address of 127.0.0.0/8. */
  readonly address?: string
  readonly port?: number
}

/** One message as it came. */
export interface Taken {
  /** The path between the angle brackets. */
  readonly from: string
  readonly to: readonly string[]
  /** The whole MAIL and RCPT commands, parameters and all. */
  readonly commands: readonly string[]
  /** Without dot-stuffing and without the final dot. */
  readonly content: Buffer
  readonly tls: boolean
  /** The number of the connection, from 1. */
  readonly session: number
}

export interface Session {
  readonly number: number
  tls: boolean
  hello: string
}

export interface Mx extends AsyncDisposable {
  readonly address: string
  readonly port: number
  readonly taken: Taken[]
  /** Every line that was said to it, with the content left out. */
  readonly heard: string[]
  /** Connections so far, and those open now. */
  readonly sessions: number
  readonly open: number
  /** Chunks that arrived from the socket: how often the client wrote, when it wrote little. */
  readonly reads: number
  /** Replaces parts of the script. */
  change(script: Script): void
  /** Resolves when this holds; asked again after everything that happens. Rejects after 5 s. */
  until(holds: () => boolean): Promise<void>
  /** Cuts every open connection. */
  cut(): void
  /** Reads no more from any open connection, and leaves it open. */
  stall(): void
}

const OFFERS = ['PIPELINING', 'SIZE 52428800', '8BITMIME', 'SMTPUTF8', 'DSN', 'ENHANCEDSTATUSCODES']

export async function startMx(script: Script = {}, place: Place = {}): Promise<Mx> {
  const world = new World(script)
  const server = createServer({ noDelay: true, allowHalfOpen: true }, (socket) =>
    world.admit(socket),
  )
  const address = await listen(server, place)
  const { port } = server.address() as { port: number }
  return {
    address,
    port,
    taken: world.taken,
    heard: world.heard,
    get sessions() {
      return world.sessions
    },
    get open() {
      return world.sockets.size
    },
    get reads() {
      return world.reads
    },
    change: (changes) => world.change(changes),
    until: (holds) => world.until(holds),
    cut: () => world.cut(),
    stall: () => world.stall(),
    async [Symbol.asyncDispose]() {
      server.close()
      world.cut()
      if (server.listening) await once(server, 'close')
    },
  }
}

// Port 25 is shared by all tests of the machine, and so each server looks for an address of its own.
async function listen(server: ReturnType<typeof createServer>, place: Place): Promise<string> {
  const { port = 0 } = place
  for (let tries = 0; ; tries++) {
    const address = place.address ?? (port === 0 ? '127.0.0.1' : randomAddress())
    server.listen(port, address)
    try {
      await once(server, 'listening')
      return address
    } catch (error) {
      if (place.address !== undefined || tries === 20) throw error
    }
  }
}

function randomAddress(): string {
  const byte = (): number => 1 + Math.floor(Math.random() * 250)
  return `127.${byte()}.${byte()}.${byte()}`
}

class World {
  script: Script
  taken: Taken[] = []
  heard: string[] = []
  sessions = 0
  reads = 0
  sockets = new Set<Socket>()
  #times = new Map<Verb, number>()
  #watchers = new Set<() => void>()

  constructor(script: Script) {
    this.script = script
  }

  admit(socket: Socket): void {
    this.sockets.add(socket)
    socket.on('error', () => {})
    socket.once('close', () => {
      this.sockets.delete(socket)
      this.changed()
    })
    this.sessions++
    new Talk(this, socket, this.sessions).begin()
    this.changed()
  }

  change(changes: Script): void {
    this.script = { ...this.script, ...changes }
    for (const verb of VERBS) if (changes[verb] !== undefined) this.#times.delete(verb)
  }

  next(verb: Verb): Answer | undefined {
    const script = this.script[verb]
    const time = this.#times.get(verb) ?? 0
    this.#times.set(verb, time + 1)
    if (!Array.isArray(script)) return script as Answer | undefined
    return (script as readonly Answer[])[Math.min(time, script.length - 1)]
  }

  changed(): void {
    for (const watcher of this.#watchers) watcher()
  }

  until(holds: () => boolean): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    const late = setTimeout(
      () =>
        reject(
          new Error(
            `Not within ${PATIENCE} ms: ${String(holds)}; heard: ${this.heard.join(' | ')}`,
          ),
        ),
      PATIENCE,
    )
    const look = (): void => {
      if (holds()) resolve()
    }
    this.#watchers.add(look)
    look()
    return promise.finally(() => {
      clearTimeout(late)
      this.#watchers.delete(look)
    })
  }

  stall(): void {
    for (const socket of this.sockets) socket.pause()
  }

  cut(): void {
    for (const socket of this.sockets) socket.destroy()
  }
}

// One conversation. Commands are answered strictly one after the other.
class Talk {
  #world: World
  #socket: Socket
  #session: Session
  #input: Buffer = Buffer.alloc(0)
  #content: Buffer[] | undefined
  #contentLength = 0
  #tail: Buffer = Buffer.alloc(0)
  #busy = false
  #done = false
  #early = false
  /** The client has ended its side. */
  #left = false
  #mail: string[] = []
  #to: string[] = []
  #loginSteps = 0

  constructor(world: World, socket: Socket, number: number) {
    this.#world = world
    this.#socket = socket
    this.#session = { number, tls: false, hello: '' }
  }

  begin(): void {
    if (this.#world.script.implicit === true) this.#secure()
    else this.#listen(this.#socket)
    void this.#answer('greeting', '', '220 mx.example ESMTP')
  }

  #listen(socket: Socket): void {
    // Who ends behind a command is still answered.
    socket.on('end', () => {
      this.#left = true
      if (!this.#busy) socket.end()
    })
    socket.on('data', (chunk: Buffer) => {
      this.#world.reads++
      this.#input = this.#input.length === 0 ? chunk : Buffer.concat([this.#input, chunk])
      void this.#read()
    })
  }

  async #read(): Promise<void> {
    if (this.#busy) return
    this.#busy = true
    while (!this.#done && this.#input.length > 0) {
      const went =
        this.#content === undefined ? await this.#readCommand() : await this.#readContent()
      if (!went) break
    }
    this.#busy = false
    if (this.#left) this.#socket.end()
  }

  async #readCommand(): Promise<boolean> {
    const end = this.#input.indexOf('\r\n')
    if (end === -1) return false
    const line = this.#input.toString('utf8', 0, end)
    this.#input = this.#input.subarray(end + 2)
    this.#world.heard.push(line)
    await this.#command(line)
    this.#world.changed()
    return true
  }

  async #command(line: string): Promise<unknown> {
    if (this.#loginSteps > 0) return this.#response(line)
    const verb = line.slice(0, line.search(/[ :]|$/)).toUpperCase()
    switch (verb) {
      case 'EHLO':
      case 'HELO':
        this.#session.hello = line.slice(5)
        this.#mail = []
        return this.#answer(verb, line, verb === 'EHLO' ? this.#offers() : '250 mx.example')
      case 'STARTTLS':
        return this.#startTls(line)
      case 'AUTH':
        return this.#auth(line)
      case 'MAIL':
        return this.#mailFrom(line)
      case 'RCPT':
        return this.#rcptTo(line)
      case 'DATA':
        return this.#data(line)
      case 'RSET':
        this.#mail = []
        return this.#answer('RSET', line, '250 2.0.0 forgotten')
      case 'QUIT':
        return this.#answer('QUIT', line, { last: '221 2.0.0 bye' })
      default:
        return this.#say('500 5.5.2 what?')
    }
  }

  #offers(): string {
    const { offers = OFFERS, certificate } = this.#world.script
    const tls = certificate !== undefined && !this.#session.tls ? ['STARTTLS'] : []
    const lines = ['mx.example', ...offers, ...tls]
    return lines.map((line, n) => `250${n === lines.length - 1 ? ' ' : '-'}${line}`).join('\n')
  }

  async #auth(line: string): Promise<void> {
    const [, mechanism = '', initial] = line.split(' ')
    const asks = mechanism.toUpperCase() === 'LOGIN' && initial === undefined
    const said = await this.#answer('AUTH', line, asks ? '334 VXNlcm5hbWU6' : '235 2.7.0 welcome')
    this.#loginSteps = said.startsWith('334') ? (asks ? 2 : 1) : 0
  }

  /** A line within AUTH; while the script asks for more, so does this. */
  async #response(line: string): Promise<void> {
    this.#loginSteps--
    const usual = this.#loginSteps > 0 ? '334 UGFzc3dvcmQ6' : '235 2.7.0 welcome'
    const said = await this.#answer('response', line, line === '*' ? '501 5.7.0 stopped' : usual)
    if (said.startsWith('334')) this.#loginSteps = Math.max(this.#loginSteps, 1)
    else this.#loginSteps = 0
  }

  async #startTls(line: string): Promise<void> {
    const { certificate } = this.#world.script
    const said = await this.#answer('STARTTLS', line, '220 2.0.0 go on')
    if (!said.startsWith('220') || certificate === undefined || this.#done) return
    this.#secure()
  }

  #secure(): void {
    const plain = this.#socket
    plain.removeAllListeners('data')
    this.#input = Buffer.alloc(0)
    this.#socket = new TLSSocket(plain, { isServer: true, ...this.#world.script.certificate })
    this.#socket.on('error', () => plain.destroy())
    this.#session.tls = true
    this.#listen(this.#socket)
  }

  async #mailFrom(line: string): Promise<void> {
    const nested = this.#mail.length > 0
    const said = await this.#answer('MAIL', line, nested ? '503 5.5.1 twice' : '250 2.1.0 ok')
    if (!said.startsWith('2')) return
    this.#mail = [line]
    this.#to = []
  }

  async #rcptTo(line: string): Promise<void> {
    const said = await this.#answer(
      'RCPT',
      line,
      this.#mail.length > 0 ? '250 2.1.5 ok' : '503 5.5.1 MAIL first',
    )
    if (!said.startsWith('2')) return
    this.#mail.push(line)
    this.#to.push(pathOf(line))
  }

  async #data(line: string): Promise<void> {
    const said = await this.#answer(
      'DATA',
      line,
      this.#to.length > 0 ? '354 go on' : '554 5.5.1 no recipients',
    )
    if (!said.startsWith('354')) return
    this.#content = []
    this.#contentLength = 0
    this.#tail = Buffer.from('\r\n')
    this.#early = false
  }

  async #readContent(): Promise<boolean> {
    const { early } = this.#world.script
    const chunk = this.#input
    this.#input = Buffer.alloc(0)
    this.#content!.push(chunk)
    this.#contentLength += chunk.length
    if (early !== undefined && !this.#early && this.#contentLength >= early.after) {
      this.#early = true
      await this.#perform(early.answer, '')
      return true
    }
    const whole = this.#wholeContent(chunk)
    if (whole !== undefined) await this.#take(whole)
    return true
  }

  // Looks only at the new piece and the four bytes before it.
  #wholeContent(chunk: Buffer): Buffer | undefined {
    const near = this.#tail.length === 0 ? chunk : Buffer.concat([this.#tail, chunk])
    const start = this.#contentLength - near.length
    // "\r\n" stands for the end of the DATA line.
    const found = near.indexOf('\r\n.\r\n')
    this.#tail = near.subarray(-4)
    if (found === -1) return undefined
    const all = Buffer.concat(this.#content!)
    const end = start + found + 2
    this.#content = undefined
    this.#input = all.subarray(end + 3)
    return all.subarray(0, Math.max(end, 0))
  }

  async #take(stuffed: Buffer): Promise<void> {
    const commands = this.#mail
    this.#mail = []
    const said = await this.#answer('dot', '', '250 2.0.0 taken')
    if (said.startsWith('2'))
      this.#world.taken.push({
        from: pathOf(commands[0] ?? ''),
        to: this.#to,
        commands,
        content: unstuff(stuffed),
        tls: this.#session.tls,
        session: this.#session.number,
      })
    this.#to = []
    this.#world.changed()
  }

  /** Says what the script wants, or this; resolves to what was said. */
  async #answer(verb: Verb, line: string, otherwise: Answer): Promise<string> {
    const said = await this.#perform(this.#world.next(verb) ?? otherwise, line)
    this.#world.changed()
    return said
  }

  async #perform(answer: Answer, line: string): Promise<string> {
    if (typeof answer === 'function') return this.#perform(await answer(line, this.#session), line)
    if (answer === silence) {
      this.#done = true
      return ''
    }
    if (answer === drop) {
      this.#done = true
      this.#socket.destroy()
      return ''
    }
    const text = typeof answer === 'string' ? answer : answer.last
    this.#say(text)
    if (typeof answer !== 'string' || text.startsWith('421')) {
      this.#done = true
      this.#socket.end()
    }
    return verdictOf(text)
  }

  #say(text: string): void {
    if (!this.#socket.destroyed) this.#socket.write(`${text.replaceAll('\n', '\r\n')}\r\n`)
  }
}

/** The line that ends a reply, whatever stands before and behind it. */
function verdictOf(text: string): string {
  return text.split('\n').findLast((line) => /^\d{3} /.test(line)) ?? text
}

function pathOf(command: string): string {
  return /<(.*)>/.exec(command)?.[1] ?? ''
}

function unstuff(content: Buffer): Buffer {
  if (content[0] !== 0x2e && !content.includes('\r\n.')) return content
  const text = content.toString('latin1').replaceAll('\r\n.', '\r\n')
  return Buffer.from(text.startsWith('.') ? text.slice(1) : text, 'latin1')
}
