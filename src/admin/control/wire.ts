// The control socket's language: one JSON object a line, each way. Requests carry a number that
// their answers repeat. Lines are bounded in bytes on both sides.

import type { Socket } from 'node:net'

/** Ids of a bulk act are the largest thing that is asked. */
export const REQUEST_LIMIT = 4 * 1024 * 1024
/** The trace of a message with many recipients is the largest answer. */
export const ANSWER_LIMIT = 256 * 1024 * 1024

export interface Request {
  readonly n: number
  readonly method: string
  readonly arguments: readonly unknown[]
}

export type Answer =
  { readonly n: number; readonly result: unknown } | { readonly n: number; readonly error: string }

/** Calls with every whole line; a line over the limit, or one that is no JSON, destroys the socket. */
export function readLines(socket: Socket, limit: number, take: (value: unknown) => void): void {
  let pieces: string[] = []
  let length = 0
  socket.setEncoding('utf8')
  socket.on('data', (chunk: string) => {
    let start = 0
    for (let end = chunk.indexOf('\n'); end !== -1; end = chunk.indexOf('\n', start)) {
      const line = pieces.join('') + chunk.slice(start, end)
      pieces = []
      length = 0
      start = end + 1
      if (!takeLine(socket, line, take)) return
    }
    pieces.push(chunk.slice(start))
    length += chunk.length - start
    if (length > limit) socket.destroy(new Error('The other side sent too long a line'))
  })
}

function takeLine(socket: Socket, line: string, take: (value: unknown) => void): boolean {
  let value: unknown
  try {
    value = JSON.parse(line)
  } catch (error) {
    socket.destroy(error as Error)
    return false
  }
  take(value)
  return true
}
