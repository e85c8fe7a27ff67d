// A client for what smtp-source cannot send: a recipient of its own for each message, a steady
// pace, and the time of each 250. Commands are pipelined.

import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { setTimeout as wait } from 'node:timers/promises'

export interface Plan {
  readonly messages: number
  readonly sessions: number
  readonly bytes: number
  /** Of message n: one, or several. */
  readonly recipient: (n: number) => string | readonly string[]
  /** Messages a second in all; absent: as fast as it goes. */
  readonly pace?: number
}

/** Sends all of it; resolves with the time (milliseconds of `performance.now`) of each 250. */
export async function send(port: number, plan: Plan): Promise<Float64Array> {
  const accepted = new Float64Array(plan.messages)
  const start = performance.now()
  let next = 0
  const body = `Subject: bench\r\n\r\n${`${'x'.repeat(70)}\r\n`.repeat(Math.ceil(plan.bytes / 72))}.\r\n`
  const session = async (): Promise<void> => {
    await using line = await openLine(port)
    for (let n = next++; n < plan.messages; n = next++) {
      if (plan.pace !== undefined)
        await wait(Math.max(0, start + (n * 1000) / plan.pace - performance.now()))
      const to = [plan.recipient(n)].flat().map((one) => `RCPT TO:<${one}>\r\n`)
      await line.ask(`MAIL FROM:<sender@app.test>\r\n${to.join('')}DATA\r\n`, to.length + 2)
      await line.ask(`From: sender@app.test\r\nX-Number: ${n}\r\n${body}`, 1)
      accepted[n] = performance.now()
    }
  }
  await Promise.all(Array.from({ length: plan.sessions }, session))
  return accepted
}

interface Line extends AsyncDisposable {
  /** Writes, and waits for this many replies; throws at the first that is no 2yz or 3yz. */
  ask(text: string, replies: number): Promise<void>
}

async function openLine(port: number): Promise<Line> {
  const socket = connect(port, '127.0.0.1')
  const replies = readReplies(socket)
  await replies(1)
  const line: Line = {
    ask(text, count) {
      socket.write(text)
      return replies(count)
    },
    async [Symbol.asyncDispose]() {
      socket.end('QUIT\r\n')
      if (!socket.closed) await once(socket, 'close').catch(() => {})
    },
  }
  await line.ask('EHLO bench.test\r\n', 1)
  return line
}

function readReplies(socket: Socket): (count: number) => Promise<void> {
  let missing = 0
  let rest = ''
  let done: (error?: Error) => void = () => {}
  socket.setEncoding('latin1')
  socket.on('error', (error) => done(error))
  socket.on('close', () => done(new Error('The relay closed the connection')))
  socket.on('data', (text: string) => {
    const lines = (rest + text).split('\r\n')
    rest = lines.pop()!
    for (const line of lines) {
      if (line[3] === '-') continue
      if (line[0] !== '2' && line[0] !== '3') return done(new Error(`The relay said "${line}"`))
      if (--missing === 0) done()
    }
  })
  return (count) =>
    new Promise((resolve, reject) => {
      missing += count
      done = (error) => (error === undefined ? resolve() : reject(error))
    })
}
