// The configuration that commands change. What is shipped stays as it is: the first change makes a copy
// of it, which counts from then on, for the running relay too.

import { relative } from 'node:path'
import { printable } from '../../base/escape.ts'
import type { Context } from '../context.ts'

/** Answers with the folder to change. */
export async function ownConfig(context: Context): Promise<string> {
  const { config, own } = context.places()
  if (config === own) return own
  const { writeConfig } = await import('../../policy/copy.ts')
  await writeConfig(own, config)
  const said = `Wrote ${shortest(own)}, a copy of the shipped policies/ and queues/; it is what counts from now on, without a restart`
  context.complain(`${printable(said)}\n`)
  return own
}

/** As it is typed here. */
export function shortest(path: string): string {
  const from = relative(process.cwd(), path)
  return from.startsWith('..') || from === '' ? path : from
}
