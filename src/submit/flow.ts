// Content on its way from a client to storage, when it is too large to be kept in memory: what
// one side pushes the other iterates, with a bounded amount between them.

/** Bytes between client and storage. */
const ROOM = 256 * 1024

export class Flow implements AsyncIterable<Uint8Array>, AsyncIterator<Uint8Array, undefined> {
  readonly #onRoom: () => void
  #chunks: Uint8Array[] = []
  #bytes = 0
  #state: 'open' | 'ended' | 'closed' = 'open'
  #error: Error | undefined
  #waiter: PromiseWithResolvers<IteratorResult<Uint8Array, undefined>> | undefined

  /** `onRoom` is called when there is room again after `push` said no. */
  constructor(onRoom: () => void) {
    this.#onRoom = onRoom
  }

  /** False: wait for room before the next. */
  push(chunk: Uint8Array): boolean {
    if (this.#state !== 'open') return true
    if (this.#waiter !== undefined) {
      this.#answer({ done: false, value: chunk })
      return true
    }
    this.#chunks.push(chunk)
    this.#bytes += chunk.length
    return this.#bytes < ROOM
  }

  end(): void {
    if (this.#state === 'open') this.#state = 'ended'
    if (this.#waiter !== undefined) this.#answer({ done: true, value: undefined })
  }

  /** The reader gets this error in place of the rest. */
  fail(error: Error): void {
    if (this.#state === 'closed') return
    this.#close()
    this.#error = error
    const waiter = this.#waiter
    this.#waiter = undefined
    if (waiter !== undefined) waiter.reject(error)
  }

  [Symbol.asyncIterator](): this {
    return this
  }

  next(): Promise<IteratorResult<Uint8Array, undefined>> {
    const value = this.#chunks.shift()
    if (value !== undefined) return Promise.resolve(this.#hand(value))
    if (this.#error !== undefined) return Promise.reject(this.#error)
    if (this.#state !== 'open') return Promise.resolve({ done: true, value: undefined })
    this.#waiter = Promise.withResolvers()
    return this.#waiter.promise
  }

  /** The reader has had enough: what still comes is dropped. */
  return(): Promise<IteratorResult<Uint8Array, undefined>> {
    this.#close()
    return Promise.resolve({ done: true, value: undefined })
  }

  #hand(value: Uint8Array): IteratorResult<Uint8Array, undefined> {
    const wasFull = this.#bytes >= ROOM
    this.#bytes -= value.length
    if (wasFull && this.#bytes < ROOM) this.#onRoom()
    return { done: false, value }
  }

  #close(): void {
    const wasFull = this.#bytes >= ROOM
    this.#state = 'closed'
    this.#chunks = []
    this.#bytes = 0
    if (wasFull) this.#onRoom()
  }

  #answer(result: IteratorResult<Uint8Array, undefined>): void {
    const waiter = this.#waiter!
    this.#waiter = undefined
    waiter.resolve(result)
  }
}
