// The other side of `attacks.ts`, on a thread of its own: strangers (or a client that may send)
// that say the same without end, each from its address, and come back when they are hung up on.

import { connect, type Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'
import { parentPort, workerData } from 'node:worker_threads'

export interface Attack {
  readonly connections: number
  /** Each comes from one of these, in turn. */
  readonly addresses: readonly string[]
  /** Said once. */
  readonly opening: string
  /** Said without end; absent: nothing more is said. `{n}` is a number that grows. */
  readonly line?: string
  /** Bytes a second in all; absent: as fast as it goes. */
  readonly rate?: number
  /** Each line waits for the reply to the one before. */
  readonly inStep?: boolean
  readonly unread?: boolean
  readonly tls?: boolean
  /** Does not come back. */
  readonly once?: boolean
}

const BLOCK = 64 * 1024
const TICK = 50

const { port, attack } = workerData as { port: number; attack: Attack }
let count = 0
let opened = 0
for (let n = 0; n < attack.connections; n++) open(n)
parentPort!.on('message', () => {
  parentPort!.postMessage({ opened })
  process.exit()
})

function open(n: number): void {
  opened++
  const localAddress = attack.addresses[n % attack.addresses.length]!
  const raw = connect({ port, host: '127.0.0.1', localAddress })
  const socket = attack.tls === true ? connectTls({ socket: raw, rejectUnauthorized: false }) : raw
  const again = (): void => {
    if (attack.once !== true) setTimeout(open, 20, n)
  }
  for (const one of new Set([raw, socket])) one.on('error', () => {})
  raw.once('close', again)
  socket.on('end', () => socket.destroy())
  socket.write(attack.opening)
  if (attack.unread !== true) socket.on('data', () => attack.inStep === true && say(socket, 1))
  if (attack.line === undefined || attack.inStep === true) return
  if (attack.rate === undefined) flood(socket)
  else drip(socket, attack.rate / attack.connections)
}

function flood(socket: Socket): void {
  while (socket.writable && say(socket, BLOCK));
  socket.on('drain', () => {
    while (socket.writable && say(socket, BLOCK));
  })
}

function drip(socket: Socket, rate: number): void {
  const timer = setInterval(() => {
    if (!socket.writable) return clearInterval(timer)
    if (socket.writableLength === 0) say(socket, (rate * TICK) / 1000)
  }, TICK)
}

/** At least so many bytes of lines. */
function say(socket: Socket, bytes: number): boolean {
  const line = attack.line!
  if (!line.includes('{n}')) return socket.write(line.repeat(Math.ceil(bytes / line.length)))
  let text = ''
  while (text.length < bytes) text += line.replace('{n}', login(count++))
  return socket.write(text)
}

function login(n: number): string {
  return Buffer.from(`\0name${n}\0guess${n}`).toString('base64')
}
