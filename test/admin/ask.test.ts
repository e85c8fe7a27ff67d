import { PassThrough } from 'node:stream'
import { expect, test } from 'vitest'
import { askSecret, confirm } from '../../src/admin/cli/ask.ts'
import type { Context } from '../../src/admin/context.ts'

// A terminal as readline sees one; it types what it is told to.
function terminal(typed: string): { context: Context; shown: () => string } {
  const input = Object.assign(new PassThrough(), { isTTY: true, setRawMode: () => input })
  let shown = ''
  const context = {
    input,
    complain: (text: string) => void (shown += text),
    signal: new AbortController().signal,
  }
  input.write(typed)
  return { context: context as unknown as Context, shown: () => shown }
}

test('a question stands on the terminal while it is answered', async () => {
  const { context, shown } = terminal('y\r')
  expect(await confirm(context, 'retry 2 recipients?')).toBe(true)
  // What readline clears is gone for the person: only what comes after that counts.
  expect(shown().split('\x1b[0J').at(-1)).toContain('retry 2 recipients? [y/N] ')
  expect(await confirm(terminal('\r').context, 'retry?')).toBe(false)
})

test('a password is asked for, and does not show', async () => {
  const { context, shown } = terminal('geheim12\r')
  expect(await askSecret(context, 'Password: ')).toBe('geheim12')
  expect(shown()).toBe('Password: \n')
})

test('Ctrl-C at a question changes nothing, and says so', async () => {
  const { context } = terminal('\x03')
  await expect(confirm(context, 'retry?')).rejects.toThrow('Stopped, nothing was changed')
})
