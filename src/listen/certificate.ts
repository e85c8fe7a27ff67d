// The certificate of the listeners, from its two files. Read anew when they change; a pair that
// does not fit is reported and the old one stays.

import { X509Certificate } from 'node:crypto'
import { readFile, stat } from 'node:fs/promises'
import { createSecureContext } from 'node:tls'
import type { Clock } from '../base/clock.ts'
import { Repeat } from '../base/repeat.ts'

export interface CertificateFiles {
  readonly cert: string
  readonly key: string
}

export interface Pair {
  readonly cert: Buffer
  readonly key: Buffer
}

export interface CertificateSource extends Disposable {
  current(): Pair
  /** When it ends, in milliseconds since 1970. */
  end(): number
  onChange(listener: (pair: Pair) => void): void
}

/** How often the files are looked at, in milliseconds. */
const LOOK = 5000

/** Rejects when the files cannot be read, or are no certificate and its key. */
export async function watchCertificate(
  files: CertificateFiles,
  clock: Clock,
  onProblem: (error: Error) => void,
): Promise<CertificateSource> {
  const listeners: ((pair: Pair) => void)[] = []
  let seen = await lookAt(files)
  let pair = await readPair(files)
  const look = async (): Promise<void> => {
    const found = await lookAt(files)
    if (found !== seen) {
      seen = found
      pair = await readPair(files)
      for (const listener of listeners) listener(pair)
    }
  }
  const failed = (error: unknown): void => onProblem(error as Error)
  const repeat = new Repeat({ clock, every: LOOK, round: look, failed })
  return {
    current: () => pair,
    end: () => new X509Certificate(pair.cert).validToDate.getTime(),
    onChange: (listener) => void listeners.push(listener),
    [Symbol.dispose]: () => void repeat.stop(),
  }
}

async function readPair({ cert, key }: CertificateFiles): Promise<Pair> {
  const pair = { cert: await read(cert), key: await read(key) }
  try {
    createSecureContext(pair)
  } catch (error) {
    throw new Error(
      `Cannot use the certificate "${cert}" with the key "${key}": they do not fit or are no PEM`,
      {
        cause: error,
      },
    )
  }
  return pair
}

async function read(path: string): Promise<Buffer> {
  try {
    return await readFile(path)
  } catch (error) {
    throw new Error(
      `Cannot read "${path}": ${(error as NodeJS.ErrnoException).code}, should be a PEM file`,
      {
        cause: error,
      },
    )
  }
}

async function lookAt({ cert, key }: CertificateFiles): Promise<string> {
  const facts = await Promise.all(
    [stat(cert), stat(key)].map((fact) => fact.catch(() => undefined)),
  )
  return facts.map((fact) => `${fact?.ino}:${fact?.mtimeMs}:${fact?.size}`).join(' ')
}
