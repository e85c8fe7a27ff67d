// From a target to a connection that is ready for MAIL: TCP, greeting, EHLO, STARTTLS as the target
// asks, EHLO again, AUTH. It goes on only while what is true of the connection fits what must be (fits.ts).
// What goes wrong on the way speaks of the site, never of the mail.

import { connect as dial } from 'node:net'
import type { Socket } from 'node:net'
import { steady } from '../../base/clock.ts'
import type { Clock } from '../../base/clock.ts'
import type { TlsFact } from '../../mail/event.ts'
import { isImplicit } from '../../mail/path.ts'
import { classOf, formatReply } from '../../mail/reply.ts'
import type { Reply } from '../../mail/reply.ts'
import { authenticate, notAsked } from './auth.ts'
import { fits, lackOf } from './fits.ts'
import { Client } from '../wire/client.ts'
import { Dialogue } from '../wire/dialogue.ts'
import { hello } from '../wire/hello.ts'
import type { Offers } from '../wire/hello.ts'
import type { Connected, ConnectionFact, Found, Loss, Target } from '../connection.ts'
import { TIMEOUTS } from '../wire/timeouts.ts'
import type { Timeouts } from '../wire/timeouts.ts'
import { createTlsContexts, secure } from './tls.ts'
import type { TlsContexts } from './tls.ts'

export interface ConnectOptions {
  /** What we call ourselves in EHLO. */
  readonly helloName: string
  readonly clock: Clock
  /** Stops the way there; a connection that stands is ended by its own `destroy`. */
  readonly signal: AbortSignal
  /** Shared by all connections; made anew for this one when absent. */
  readonly tls?: TlsContexts
  readonly timeouts?: Partial<Timeouts>
}

export async function connect(target: Target, options: ConnectOptions): Promise<Connected> {
  const { clock, tls = createTlsContexts() } = options
  const place = `${target.address}:${target.port}`
  const known = mayRecall(target) ? tls.failed.recall(place, steady(clock)) : undefined
  if (known !== undefined) return goInClear(target, { ...options, tls }, known, 'a short while ago')
  const began = steady(clock)
  const first = await new Way(target, { ...options, tls }).go(target.tls !== 'none')
  if (first.kind !== 'in clear') return first
  const now = steady(clock)
  tls.failed.remember(place, first.reason, now, now - began)
  return goInClear(target, { ...options, tls }, first.reason)
}

// Where a connection in clear would not do, what failed before is tried again.
function mayRecall(target: Target): boolean {
  return target.tls !== 'none' && target.tlsAnew !== true && fits(inClear(target), target)
}

/** What would be true of a connection without TLS. */
function inClear({ source }: Target) {
  return source === undefined ? {} : { boundTo: source }
}

// RFC 7435 3: some protection is better than none, and mail is better than no mail.
async function goInClear(
  target: Target,
  options: ConnectOptions,
  reason: string,
  when = '',
): Promise<Connected> {
  const failed = `TLS with ${target.host} failed${when && ` ${when}`} (${reason})`
  const second = await new Way(target, options, reason, `${failed}, went on in clear`).go(false)
  if (second.kind === 'in clear') throw new Error('STARTTLS was tried where it was not wanted')
  return second
}

type Arrival = Connected | { readonly kind: 'in clear'; readonly reason: string }
type Step = Found | { readonly kind: 'in clear'; readonly reason: string } | undefined

class Way {
  readonly #target: Target
  readonly #options: ConnectOptions
  readonly #timeouts: Timeouts
  readonly #notes: string[] = []
  /** The local address that the system chose, or that was asked for. */
  #source: string | undefined
  #tls: TlsFact | undefined
  #tlsFailed: string | undefined
  #login: string | undefined
  #offers: Offers | undefined

  constructor(target: Target, options: ConnectOptions, tlsFailed?: string, note?: string) {
    this.#target = target
    this.#options = options
    this.#timeouts = { ...TIMEOUTS, ...options.timeouts }
    this.#tlsFailed = tlsFailed
    if (note !== undefined) this.#notes.push(note)
    this.#source = target.source
  }

  async go(withTls: boolean): Promise<Arrival> {
    const { signal, clock } = this.#options
    const socket = await this.#dial()
    if (!('write' in socket)) return this.#fail({ kind: 'loss', stage: 'connect', loss: socket })
    this.#source = socket.localAddress ?? this.#source
    const dialogue = new Dialogue(socket, clock, this.#timeouts)
    const abort = (): void => dialogue.stop('We are stopping')
    signal.addEventListener('abort', abort, { once: true })
    if (signal.aborted) abort()
    const trouble = await this.#introduce(dialogue, withTls)
    if (trouble !== undefined) await dialogue.quit()

    signal.removeEventListener('abort', abort)
    if (trouble === undefined && dialogue.loss === undefined)
      return { kind: 'connected', connection: new Client(dialogue, this.#offers!, this.#fact()) }
    const { loss } = dialogue
    dialogue.stop('We gave it up')
    if (trouble === undefined) return this.#fail({ kind: 'loss', stage: 'hello', loss: loss! })
    return trouble.kind === 'in clear' ? trouble : this.#fail(trouble)
  }

  #dial(): Promise<Socket | Loss> {
    const { address, port, source } = this.#target
    const { clock, signal } = this.#options
    const { promise, resolve } = Promise.withResolvers<Socket | Loss>()
    const from = source === undefined ? {} : { localAddress: source }
    const socket = dial({ host: address, port, noDelay: true, ...from })
    const settle = (end: Socket | Loss): void => {
      cancel()
      signal.removeEventListener('abort', abort)
      socket.removeAllListeners()
      if (end !== socket) socket.on('error', () => {}).destroy()
      resolve(end)
    }
    const fail = (kind: Loss['kind'], why: string): void =>
      settle({ kind, text: `Cannot connect to ${this.#name()}: ${why}` })
    const abort = (): void => fail('stopped', 'we are stopping')
    const cancel = clock.after(this.#timeouts.connect, () => fail('timeout', 'no answer'))
    signal.addEventListener('abort', abort, { once: true })
    socket.once('error', (error: NodeJS.ErrnoException) =>
      fail('failed', error.code ?? error.message),
    )
    socket.once('connect', () => settle(socket))
    if (signal.aborted) abort()
    return promise
  }

  /** Everything between the open socket and MAIL. */
  async #introduce(dialogue: Dialogue, withTls: boolean): Promise<Step> {
    const implicit = withTls && isImplicit(this.#target)
    const trouble =
      (implicit ? await this.#secure(dialogue) : undefined) ??
      (await this.#greeting(dialogue)) ??
      (await this.#hello(dialogue)) ??
      (withTls && !implicit ? await this.#startTls(dialogue) : undefined)
    return trouble ?? this.#admit(dialogue)
  }

  /** Whether mail may go over it as it stands, and what can still be done where it may not. */
  async #admit(dialogue: Dialogue): Promise<Step> {
    switch (lackOf(this.#fact(), this.#target)) {
      case undefined:
        return undefined
      case 'login':
        return this.#logIn(dialogue)
      case 'tls for the password':
        return notAsked('The password is sent over verified TLS only')
      case 'tls':
        return starttlsLoss('stopped', `${this.#name()} ${WITHOUT_TLS}`)
      case 'source':
        return { kind: 'loss', stage: 'connect', loss: { kind: 'stopped', text: WRONG_SOURCE } }
    }
  }

  async #logIn(dialogue: Dialogue): Promise<Step> {
    const { login, credentials } = this.#target
    if (credentials === undefined) return notAsked('There is nothing to log in with')
    const trouble = await authenticate(dialogue, credentials, this.#offers!)
    if (trouble === undefined) this.#login = login?.user
    return trouble
  }

  async #greeting(dialogue: Dialogue): Promise<Step> {
    const said = await dialogue.nextReply('greeting')
    if (!('code' in said) && this.#tls === undefined && this.#target.port !== SMTP)
      return { kind: 'loss', stage: 'greeting', loss: unlessTls(said) }
    return unlessSuccess(said, 'greeting')
  }

  async #hello(dialogue: Dialogue): Promise<Step> {
    const greeted = await hello(dialogue, this.#options.helloName)
    if (greeted.kind === 'failed') {
      if (greeted.speaks !== undefined) this.#notes.push(`${this.#name()} ${greeted.speaks}`)
      return greeted.found
    }
    this.#offers = greeted.offers
    return undefined
  }

  async #startTls(dialogue: Dialogue): Promise<Step> {
    if (!this.#offers!.startTls) return undefined
    const said = await dialogue.ask('STARTTLS\r\n', 'starttls')
    if (!('code' in said)) return this.#lostAtStartTls(said)
    if (said.code === 421) return { kind: 'reply', stage: 'starttls', reply: said }
    if (classOf(said) !== 'success') return this.#refusedTls(said)
    // Whatever came with the 220 was put there by somebody in between, to be read under TLS.
    if (!dialogue.quiet) return this.#handshakeFailed('bytes followed the reply to STARTTLS')
    const trouble = await this.#secure(dialogue)
    if (trouble !== undefined) return trouble
    return this.#helloAgain(dialogue)
  }

  // Some servers offer STARTTLS and hang up when they hear it.
  #lostAtStartTls(loss: Loss): Step {
    if (loss.kind === 'closed' || loss.kind === 'failed') return this.#handshakeFailed(loss.text)
    return { kind: 'loss', stage: 'starttls', loss }
  }

  async #secure(dialogue: Dialogue): Promise<Step> {
    const { clock, signal, tls = createTlsContexts() } = this.#options
    const limit = { clock, signal, milliseconds: this.#timeouts.handshake }
    const secured = await secure(dialogue.release(), this.#target, tls, limit)
    if (secured.kind === 'failed') {
      dialogue.stop('The handshake failed')
      return this.#handshakeFailed(secured.text)
    }
    this.#tls = secured.fact
    dialogue.resume(secured.socket)
    return undefined
  }

  // With TLS 1.3 the server's alert about the handshake comes only after our side of it is over.
  async #helloAgain(dialogue: Dialogue): Promise<Step> {
    const trouble = await this.#hello(dialogue)
    if (trouble?.kind !== 'loss' || trouble.loss.kind !== 'failed') return trouble
    return this.#handshakeFailed(trouble.loss.text)
  }

  #handshakeFailed(reason: string): Step {
    if (this.#mayGoInClear() && !this.#options.signal.aborted) return { kind: 'in clear', reason }
    return starttlsLoss('failed', `TLS with ${this.#name()} failed: ${reason}`)
  }

  #refusedTls(reply: Reply): Step {
    if (!this.#mayGoInClear()) return { kind: 'reply', stage: 'starttls', reply }
    this.#tlsFailed = formatReply(reply)
    this.#notes.push(`${this.#target.host} refused STARTTLS (${this.#tlsFailed}), went on in clear`)
    return undefined
  }

  // What a login asks for beyond this is found when it is its turn, and told as trouble of the login.
  #mayGoInClear(): boolean {
    return lackOf(inClear(this.#target), this.#target) !== 'tls'
  }

  #name(): string {
    const { host, address, port } = this.#target
    return host === address ? `[${address}]:${port}` : `${host} [${address}]:${port}`
  }

  #fact(): ConnectionFact {
    const { host, address, port } = this.#target
    const tls = this.#tls
    const source = this.#source
    const tlsFailed = this.#tlsFailed
    const login = this.#login
    return {
      host,
      address,
      port,
      notes: this.#notes,
      ...inClear(this.#target),
      ...(source === undefined ? {} : { source }),
      ...(tls === undefined ? {} : { tls }),
      ...(tlsFailed === undefined ? {} : { tlsFailed }),
      ...(login === undefined ? {} : { login }),
    }
  }

  #fail(found: Found): Connected {
    return { kind: 'failed', found, fact: this.#fact() }
  }
}

const WITHOUT_TLS = 'does not offer STARTTLS, and the route asks for it'
const WRONG_SOURCE = 'The connection is not from the source that the route asks for'

/** Every MX answers here, and none expects TLS from the first byte. */
const SMTP = 25

// A server that waits for the first byte of a handshake greets nobody.
function unlessTls(loss: Loss): Loss {
  if (loss.kind !== 'timeout') return loss
  const hint = 'if the port expects TLS from the first byte, its rule in routing.yaml wants'
  return { ...loss, text: `${loss.text}; ${hint} implicit-tls: true` }
}

function unlessSuccess(said: Reply | Loss, stage: 'greeting'): Found | undefined {
  if (!('code' in said)) return { kind: 'loss', stage, loss: said }
  return classOf(said) === 'success' ? undefined : { kind: 'reply', stage, reply: said }
}

function starttlsLoss(kind: Loss['kind'], text: string): Found {
  return { kind: 'loss', stage: 'starttls', loss: { kind, text } }
}
