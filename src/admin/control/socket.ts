// Where the control socket is, for the relay that makes it and the commands that call it.

import { closeSync, openSync } from 'node:fs'
import { join } from 'node:path'

export const SOCKET_NAME = 'control.sock'

/** Unix sockets have paths of at most 107 bytes; a longer one is reached by its folder's descriptor. */
export function socketPath(folder: string): Disposable & { readonly text: string } {
  const text = join(folder, SOCKET_NAME)
  if (Buffer.byteLength(text) <= 107) return { text, [Symbol.dispose]: () => {} }
  const descriptor = openSync(folder, 'r')
  return {
    text: `/proc/self/fd/${descriptor}/${SOCKET_NAME}`,
    [Symbol.dispose]: () => closeSync(descriptor),
  }
}
