// Where the control socket is, for the relay that makes it and the commands that call it.

import { open } from 'node:fs/promises'
import { join } from 'node:path'

export const SOCKET_NAME = 'control.sock'

/** Unix sockets have paths of at most 107 bytes; a longer one is reached by its folder's descriptor. */
export async function socketPath(
  folder: string,
): Promise<AsyncDisposable & { readonly text: string }> {
  const text = join(folder, SOCKET_NAME)
  if (Buffer.byteLength(text) <= 107) return { text, [Symbol.asyncDispose]: async () => {} }
  const descriptor = await open(folder)
  return {
    text: `/proc/self/fd/${descriptor.fd}/${SOCKET_NAME}`,
    [Symbol.asyncDispose]: () => descriptor.close(),
  }
}
