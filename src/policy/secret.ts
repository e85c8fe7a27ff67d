// Secrets that policies name: `password-env: X` is the environment's X, else what the file
// that X_FILE names holds. Values are never part of a message.

import { readFile } from 'node:fs/promises'
import { fault } from './yaml.ts'
import type { Place } from './yaml.ts'

export type Environment = Readonly<Record<string, string | undefined>>

export function secretName(text: string): string | undefined {
  return /^[A-Za-z_][A-Za-z0-9_]{0,127}$/.test(text) ? text : undefined
}

/** The file that the secret is read from, which is watched for changes. */
export function secretFile(name: string, env: Environment): string | undefined {
  return env[name] ? undefined : env[`${name}_FILE`]
}

export async function readSecret(
  name: string,
  env: Environment,
  place: Place,
): Promise<string | undefined> {
  const direct = env[name]
  if (direct) return checked(direct, name, place)
  const path = secretFile(name, env)
  if (!path) return fault(place, `${name} is not set, and neither is ${name}_FILE`)
  try {
    // Editors and `echo` end a file with a line end, which is no part of the password.
    return checked((await readFile(path, 'utf8')).replace(/\r?\n$/, ''), `${name}_FILE`, place)
  } catch (error) {
    return fault(place, `${name}_FILE names "${path}", which cannot be read: ${codeOf(error)}`)
  }
}

/** The short name of what the system said: `ENOENT`. */
export function codeOf(error: unknown): string {
  return (error as NodeJS.ErrnoException).code ?? 'unknown error'
}

// AUTH PLAIN parts its fields with NUL.
function checked(secret: string, name: string, place: Place): string | undefined {
  if (secret === '') return fault(place, `${name} is empty, should be a password`)
  if (/[\0\r\n]/.test(secret)) return fault(place, `${name} should be one line without NUL`)
  return secret
}
