// Clients of the relay over raw sockets: one that says what it is told and hands back the
// replies, and many that send numbered mail until they are stopped and remember which of it the
// relay promised to deliver.

import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { setTimeout as wait } from 'node:timers/promises'

export interface Talk extends AsyncDisposable {
  readonly socket: Socket
  /** Writes the line, and resolves with the reply (its lines joined by LF). Rejects when cut. */
  say(line: string): Promise<string>
  /** Writes bytes as they are and waits for nothing. */
  write(bytes: string | Buffer): void
  /** The next reply. */
  reply(): Promise<string>
}

/** Connects, reads the greeting and says EHLO. */
export async function openTalk(port: number, hello = 'client.example'): Promise<Talk> {
  const socket = connect({ port, host: '127.0.0.1', noDelay: true })
  const reply = readReplies(socket)
  const talk: Talk = {
    socket,
    reply,
    write: (bytes) => void socket.write(bytes),
    say(line) {
      socket.write(`${line}\r\n`, 'utf8')
      return reply()
    },
    async [Symbol.asyncDispose]() {
      if (socket.destroyed) return
      const closed = once(socket, 'close')
      socket.destroy()
      await closed
    },
  }
  try {
    await reply()
    await talk.say(`EHLO ${hello}`)
  } catch (error) {
    socket.destroy()
    throw error
  }
  return talk
}

/** Sends one message and resolves with the reply that ended it. */
export async function sendMail(
  talk: Talk,
  mail: { from: string; to: readonly string[]; content: string | Buffer },
): Promise<string> {
  const envelope = [`MAIL FROM:<${mail.from}>`, ...mail.to.map((to) => `RCPT TO:<${to}>`), 'DATA']
  for (const line of envelope) {
    const reply = await talk.say(line)
    if (!/^[23]/.test(reply)) return reply
  }
  talk.write(mail.content)
  return talk.say('.')
}

/** A message with its number in the header and about this many bytes. */
export function numbered(number: number, bytes: number): string {
  const header = `From: app@near.example\r\nTo: all@far.example\r\nSubject: ${number}\r\nX-Number: ${number}\r\n\r\n`
  return header + `${'x'.repeat(70)}\r\n`.repeat(Math.ceil(bytes / 72))
}

export interface Letter {
  readonly to: readonly string[]
  readonly bytes: number
}

export interface Load {
  /** Numbers whose final dot was answered with 250, with the id that the relay gave. */
  readonly accepted: ReadonlyMap<number, string>
  /** Replies other than 250 to what was sent whole, by number. */
  readonly refused: ReadonlyMap<number, string>
  /** Numbers whose final dot was written. */
  readonly sent: ReadonlySet<number>
  readonly last: number
  /** No more mail; resolves when the messages under way have ended. */
  stop(): Promise<void>
}

/**
 * Keeps this many connections busy; one that is cut comes again, with new mail.
 * @param pause milliseconds between two messages of a connection
 */
export function startLoad(
  port: number,
  sessions: number,
  letter: (number: number) => Letter,
  first = 1,
  pause = 0,
): Load {
  const accepted = new Map<number, string>()
  const refused = new Map<number, string>()
  const sent = new Set<number>()
  let next = first
  const stop = new AbortController()
  const { signal } = stop
  const session = async (): Promise<void> => {
    while (!signal.aborted) {
      try {
        await using talk = await openTalk(port)
        while (!signal.aborted) {
          await one(talk, next++)
          if (pause > 0) await wait(pause)
        }
      } catch {
        await wait(20) // the relay is down, and will be back
      }
    }
  }
  const one = async (talk: Talk, number: number): Promise<void> => {
    const { to, bytes } = letter(number)
    talk.write(
      `MAIL FROM:<app@near.example>\r\n${to.map((path) => `RCPT TO:<${path}>\r\n`).join('')}DATA\r\n`,
    )
    let go = ''
    for (let n = 0; n < to.length + 2; n++) go = await talk.reply()
    if (!go.startsWith('354')) return
    talk.write(`${numbered(number, bytes)}.\r\n`)
    sent.add(number)
    const reply = await talk.reply()
    if (reply.startsWith('250')) accepted.set(number, /queued as (\S+)/.exec(reply)?.[1] ?? '')
    else refused.set(number, reply)
  }
  const all = Promise.all(Array.from({ length: sessions }, session))
  return {
    accepted,
    refused,
    sent,
    get last() {
      return next - 1
    },
    async stop() {
      stop.abort()
      await all
    },
  }
}

function readReplies(socket: Socket): () => Promise<string> {
  const replies: string[] = []
  const waiting: { resolve: (reply: string) => void; reject: (error: Error) => void }[] = []
  let rest = ''
  let lines: string[] = []
  const end = (): void => {
    for (const { reject } of waiting.splice(0)) reject(new Error('The connection was cut'))
  }
  socket.setEncoding('utf8')
  socket.on('error', end)
  socket.on('close', end)
  socket.on('data', (text: string) => {
    const parts = (rest + text).split('\r\n')
    rest = parts.pop()!
    for (const line of parts) {
      lines.push(line)
      if (line[3] === '-') continue
      const reply = lines.join('\n')
      lines = []
      const one = waiting.shift()
      if (one === undefined) replies.push(reply)
      else one.resolve(reply)
    }
  })
  return () => {
    const reply = replies.shift()
    if (reply !== undefined) return Promise.resolve(reply)
    if (socket.destroyed) return Promise.reject(new Error('The connection was cut'))
    return new Promise((resolve, reject) => waiting.push({ resolve, reject }))
  }
}
