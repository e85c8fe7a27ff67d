// A real S3 server for tests, in memory on a free loopback port. It can go away, or fall silent, and come
// back with what it had; it counts what is asked of it.
//
//   await using s3 = await startS3()
//   s3.environment                      settings of a relay that keeps content there
//   await s3.away(); await s3.back()

import { once } from 'node:events'
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net'
import { buildApp } from 'fauxqs'

const BUCKET = 'mail'

export async function startS3(): Promise<S3Server> {
  const app = buildApp({ logger: false })
  const requests = new Map<string, number>()
  app.addHook('onRequest', (request, _, done) => {
    const name = request.url.includes('?delete') ? 'DELETE' : request.method
    requests.set(name, (requests.get(name) ?? 0) + 1)
    done()
  })
  await app.listen({ host: '127.0.0.1', port: 0 })
  const { port } = app.server.address() as AddressInfo
  const server = new S3Server(port, requests, () => app.close())
  await server.back()
  await server.createBucket()
  return server
}

export class S3Server implements AsyncDisposable {
  /** By method; DELETE is of many objects. */
  readonly requests: Map<string, number>
  #inner: number
  #close: () => Promise<unknown>
  #front: Server | undefined
  #port = 0
  #sockets = new Set<Socket>()
  #answers = true

  constructor(inner: number, requests: Map<string, number>, close: () => Promise<unknown>) {
    this.#inner = inner
    this.requests = requests
    this.#close = close
  }

  get url(): string {
    return `http://127.0.0.1:${this.#port}`
  }

  /** What WAYPOST_CONTENT says. */
  content(bucket = BUCKET): string {
    return `s3://${bucket}/test?endpoint=${this.url}`
  }

  get environment(): Record<string, string> {
    return {
      WAYPOST_CONTENT: this.content(),
      AWS_ACCESS_KEY_ID: 'test',
      AWS_SECRET_ACCESS_KEY: 'test',
    }
  }

  async createBucket(): Promise<void> {
    await fetch(`http://127.0.0.1:${this.#inner}/${BUCKET}`, { method: 'PUT' })
  }

  /** Names of all objects, behind the prefix. */
  async names(): Promise<string[]> {
    const answer = await fetch(`http://127.0.0.1:${this.#inner}/${BUCKET}?list-type=2`)
    const found = (await answer.text()).matchAll(/<Key>test\/([^<]*)<\/Key>/g)
    return [...found].map(([, name = '']) => name)
  }

  async put(name: string, text: string | Uint8Array<ArrayBuffer>): Promise<void> {
    await fetch(`http://127.0.0.1:${this.#inner}/${BUCKET}/test/${name}`, {
      method: 'PUT',
      body: text,
    })
  }

  async get(name: string): Promise<Uint8Array<ArrayBuffer>> {
    const answer = await fetch(`http://127.0.0.1:${this.#inner}/${BUCKET}/test/${name}`)
    return new Uint8Array(await answer.arrayBuffer())
  }

  /** Nobody listens there any more. */
  async away(): Promise<void> {
    const front = this.#front!
    const closed = once(front, 'close')
    front.close()
    for (const socket of this.#sockets) socket.destroy()
    await closed
  }

  async back(): Promise<void> {
    const front = createServer((socket) => this.#pass(socket))
    front.listen(this.#port, '127.0.0.1')
    await once(front, 'listening')
    this.#port = (front.address() as AddressInfo).port
    this.#front = front
  }

  /** What is asked is done, and never answered. */
  freeze(): void {
    this.#answers = false
    for (const socket of this.#sockets) socket.destroy()
  }

  thaw(): void {
    this.#answers = true
    for (const socket of this.#sockets) socket.destroy()
  }

  #pass(socket: Socket): void {
    const inner = connect(this.#inner, '127.0.0.1')
    for (const each of [socket, inner]) {
      this.#sockets.add(each)
      each.on('error', () => {})
      each.on('close', () => {
        this.#sockets.delete(each)
        socket.destroy()
        inner.destroy()
      })
    }
    socket.pipe(inner)
    if (this.#answers) inner.pipe(socket)
    else inner.resume()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#front?.listening === true) await this.away()
    await this.#close()
  }
}
