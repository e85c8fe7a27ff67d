// A listener with a policy and a queue that a test can look into.

import { connect } from 'node:net'
import type { Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'
import type { Listener, ListenerOptions } from '../../src/listen/listener.ts'
import type { RelayEvent } from '../../src/mail/event.ts'
import type { ListenRules, Policy } from '../../src/policy/policy.ts'
import { systemClock } from '../../src/base/clock.ts'
import { startListener } from '../../src/listen/listener.ts'
import { parseAddress } from '../../src/mail/address.ts'
import { PATIENCE } from '../peers/patience.ts'
import { testPolicy, TestQueue } from '../submit/world.ts'

export interface World extends AsyncDisposable {
  readonly listener: Listener
  readonly queue: TestQueue
  readonly events: RelayEvent[]
  /** Replaced by tests that change the rules under way. */
  policy: Policy
  dial(options?: { tls?: boolean; from?: string }): Promise<Talk>
}

export async function startWorld(
  changes: Partial<ListenerOptions> & {
    rules?: Partial<ListenRules>
    policies?: Partial<Policy>
  } = {},
): Promise<World> {
  const { rules = {}, policies = {}, ...options } = changes
  const queue = new TestQueue()
  const events: RelayEvent[] = []
  const world = { policy: testPolicy({ ...policies, rules }) }
  const listener = await startListener({
    scheme: 'smtp',
    startTls: true,
    host: '127.0.0.1',
    port: 0,
    hostname: 'relay.test',
    postmaster: parseAddress('postmaster@relay.test')!,
    policy: () => world.policy,
    queue,
    report: (event) => events.push(event),
    clock: systemClock,
    verifyPassword: (phc, password) => Promise.resolve(phc === `plain:${password}`),
    ...options,
  })
  return Object.assign(world, {
    listener,
    queue,
    events,
    dial: (how: { tls?: boolean; from?: string } = {}) => dial(listener.address.port, how),
    [Symbol.asyncDispose]: () => listener.close(0),
  })
}

async function dial(port: number, how: { tls?: boolean; from?: string }): Promise<Talk> {
  const socket = connect({
    port,
    host: '127.0.0.1',
    ...(how.from === undefined ? {} : { localAddress: how.from }),
  })
  const talk = new Talk(
    how.tls === true ? connectTls({ socket, rejectUnauthorized: false }) : socket,
  )
  return talk
}

/** A client that says lines and hears replies. */
export class Talk implements AsyncDisposable {
  socket: Socket
  closed = false
  #text = ''
  #waiters: (() => void)[] = []

  constructor(socket: Socket) {
    this.socket = socket
    this.#listen()
  }

  #listen(): void {
    const { socket } = this
    const wake = (): void => {
      for (const waiter of this.#waiters.splice(0)) waiter()
    }
    socket.setNoDelay(true)
    socket.setEncoding('latin1')
    socket.on('data', (text: string) => {
      this.#text += text
      wake()
    })
    const close = (): void => {
      if (this.socket !== socket) return
      this.closed = true
      wake()
    }
    socket.on('end', close)
    socket.on('close', close)
    socket.on('error', close)
  }

  write(text: string): void {
    this.socket.write(text, 'latin1')
  }

  /** The next whole reply, or what came before the connection ended. */
  async hear(): Promise<string> {
    for (;;) {
      const match = /^(?:\d{3}-.*\r\n)*\d{3} .*\r\n/.exec(this.#text)
      if (match !== null) {
        this.#text = this.#text.slice(match[0].length)
        return match[0].slice(0, -2)
      }
      if (this.closed) return `closed ${this.#text}`
      await this.#more()
    }
  }

  async say(line: string): Promise<string> {
    this.write(`${line}\r\n`)
    return this.hear()
  }

  async untilClosed(): Promise<void> {
    while (!this.closed) await this.#more()
  }

  async startTls(): Promise<void> {
    const raw = this.socket
    raw.removeAllListeners('data')
    this.socket = connectTls({ socket: raw, rejectUnauthorized: false })
    this.#listen()
    await new Promise((resolve) => this.socket.once('secureConnect', resolve))
  }

  #more(): Promise<void> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(
        () => reject(new Error(`Nothing came; so far ${JSON.stringify(this.#text)}`)),
        PATIENCE,
      )
      this.#waiters.push(() => {
        clearTimeout(timer)
        resolve()
      })
    })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.socket.destroy()
    await Promise.resolve()
  }
}
