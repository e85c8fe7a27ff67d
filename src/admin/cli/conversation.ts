// A small SMTP conversation, for `waypost send` alone: connect, say, hear. Every wait is bounded,
// and a reply that is not the one hoped for stops it, word for word.

import { once } from 'node:events'
import { connect as connectPlain, type Socket } from 'node:net'
import { connect as connectTls, TLSSocket } from 'node:tls'
import { CommandError } from '../context.ts'

const PATIENCE = 60_000
const REPLY_LIMIT = 64 * 1024
/** What else there is to do when the relay wants a login: its rule for loopback fits on such listeners alone. */
const LOG_IN =
  '; log in with --user NAME, or add a listener on loopback to WAYPOST_LISTEN (smtp://127.0.0.1:2525), where the shipped relay.yaml needs no login'

export interface Server {
  readonly scheme: 'smtp' | 'submission' | 'submissions'
  readonly host: string
  readonly port: number
}

export interface Login {
  readonly user: string
  readonly password: string
}

export interface Letter {
  readonly from: string
  readonly to: readonly string[]
  /** With CRLF line ends. */
  readonly content: string
}

/** Hands the letter in; what the relay said to that. */
export async function handIn(server: Server, letter: Letter, login?: Login): Promise<string> {
  await using conversation = await Conversation.begin(server)
  await conversation.introduce(server, login)
  const utf8 = [letter.from, ...letter.to].some((address) => /[^\x00-\x7f]/.test(address))
  await conversation.say(`MAIL FROM:<${letter.from}>${utf8 ? ' SMTPUTF8' : ''}`, 250)
  for (const to of letter.to) await conversation.say(`RCPT TO:<${to}>`, 250)
  await conversation.say('DATA', 354)
  const stuffed = letter.content.replaceAll(/^\./gm, '..')
  const reply = await conversation.say(`${stuffed}\r\n.`, 250)
  await conversation.say('QUIT', 221).catch(() => {}) // the letter is taken, whatever comes now
  return reply
}

class Conversation implements AsyncDisposable {
  #socket: Socket
  #received = ''
  #changed: () => void = () => {}

  private constructor(socket: Socket) {
    this.#socket = socket
    this.#use(socket)
  }

  static async begin({ scheme, host, port }: Server): Promise<Conversation> {
    // The relay is ours and on this machine; its certificate is for its clients' name of it.
    const socket =
      scheme === 'submissions'
        ? connectTls({ host, port, rejectUnauthorized: false })
        : connectPlain({ host, port, noDelay: true })
    try {
      await once(socket, scheme === 'submissions' ? 'secureConnect' : 'connect', deadline())
    } catch (error) {
      socket.destroy()
      const { message } = error as Error
      throw new CommandError(`Cannot reach ${host}:${port}: ${message}; does the relay run?`)
    }
    return new Conversation(socket)
  }

  async introduce({ scheme, host }: Server, login: Login | undefined): Promise<void> {
    await this.hear(220)
    const offers = await this.say('EHLO localhost', 250)
    if (login === undefined && scheme === 'smtp') return
    // A password never goes out in clear: where no TLS is offered the relay says what it thinks of it.
    if (scheme !== 'submissions' && /^250[- ]STARTTLS\r?$/im.test(offers)) {
      await this.say('STARTTLS', 220)
      await this.#secure(host)
      await this.say('EHLO localhost', 250)
    }
    if (login === undefined) return
    if (!(this.#socket instanceof TLSSocket))
      throw new CommandError(
        `${host} offers no TLS to log in under: set WAYPOST_TLS_CERT and WAYPOST_TLS_KEY, and on loopback add ?starttls to the listener`,
      )
    const words = Buffer.from(`\0${login.user}\0${login.password}`).toString('base64')
    await this.say(`AUTH PLAIN ${words}`, 235, 'AUTH PLAIN')
  }

  /** `shown` stands in messages for what must not be shown. */
  async say(line: string, hoped: number, shown = line.split('\r\n', 1)[0]!): Promise<string> {
    this.#socket.write(`${line}\r\n`)
    return this.hear(hoped, shown)
  }

  async hear(hoped: number, after = 'the connection'): Promise<string> {
    for (;;) {
      const match = /^(?:\d{3}-[^\n]*\n)*(\d{3})(?: [^\n]*)?\r?\n/.exec(this.#received)
      if (match !== null) {
        this.#received = this.#received.slice(match[0].length)
        const reply = match[0].trim()
        if (Number(match[1]) === hoped) return reply
        const hint = match[1] === '530' ? LOG_IN : ''
        throw new CommandError(`The relay answered ${after} with "${reply}"${hint}`)
      }
      if (this.#socket.destroyed || this.#received.length > REPLY_LIMIT)
        throw new CommandError(`The relay closed the connection after ${after}`)
      await new Promise<void>((resolve) => (this.#changed = resolve))
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#socket.destroyed) return
    const closed = once(this.#socket, 'close')
    this.#socket.destroy()
    await closed
  }

  async #secure(host: string): Promise<void> {
    this.#socket.removeAllListeners('data')
    const secure = connectTls({ socket: this.#socket, host, rejectUnauthorized: false })
    this.#socket = secure
    this.#use(secure)
    try {
      await once(secure, 'secureConnect', deadline())
    } catch (error) {
      throw new CommandError(`Cannot begin TLS with ${host}: ${(error as Error).message}`)
    }
  }

  #use(socket: Socket): void {
    socket.setTimeout(PATIENCE, () => socket.destroy())
    socket.on('error', () => {}) // 'close' follows, and `hear` says so
    socket.on('close', () => this.#changed())
    socket.on('data', (chunk: Buffer) => {
      this.#received += chunk.toString('utf8')
      this.#changed()
    })
  }
}

function deadline(): { signal: AbortSignal } {
  return { signal: AbortSignal.timeout(PATIENCE) }
}
