// Questions to the person at the terminal.

import { Writable } from 'node:stream'
import { CommandError, type Context } from '../context.ts'

/** Only `y` and `yes` are yes. */
export async function confirm(context: Context, question: string): Promise<boolean> {
  const answer = await ask(context, `${question} [y/N] `, true)
  return /^y(es)?$/i.test(answer.trim())
}

/** A line that does not show while it is typed. */
export async function askSecret(context: Context, question: string): Promise<string> {
  const answer = await ask(context, question, false)
  context.complain('\n')
  return answer
}

/** All of standard input up to a limit, without its last line end. */
export async function readInput(context: Context, limit: number): Promise<string> {
  const chunks: Buffer[] = []
  let length = 0
  for await (const chunk of context.input) {
    const bytes = Buffer.from(chunk as Uint8Array | string)
    chunks.push(bytes)
    length += bytes.length
    if (length > limit) throw new CommandError(`Standard input is longer than ${limit} bytes`, 2)
  }
  return Buffer.concat(chunks)
    .toString('utf8')
    .replace(/\r?\n$/, '')
}

async function ask(context: Context, question: string, echo: boolean): Promise<string> {
  const { createInterface } = await import('node:readline/promises')
  // readline writes what is typed to its output, and the question anew: one that swallows all but
  // the question keeps a password unseen.
  if (!echo) context.complain(question)
  const output = new Writable({
    write(chunk: Buffer, _encoding, done) {
      if (echo) context.complain(chunk.toString())
      done()
    },
  })
  const lines = createInterface({
    input: context.input,
    output,
    terminal: context.input.isTTY === true,
  })
  try {
    return await lines.question(echo ? question : '', { signal: context.signal })
  } catch (error) {
    context.complain('\n')
    throw new CommandError('Stopped, nothing was changed', 1, { cause: error })
  } finally {
    lines.close()
  }
}
