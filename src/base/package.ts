// Where the files lie that go with the code: a checkout runs src/**/*.ts as it is, a package has all
// code in one folder, dist/, with what belongs to it beside.

import { readFileSync } from 'node:fs'
import { join } from 'node:path'

export const IS_CHECKOUT = import.meta.filename.endsWith('.ts')

/** The top folder of the checkout or the package. */
export const ROOT = join(import.meta.dirname, IS_CHECKOUT ? '../..' : '..')

/** A file of the folder that the code is in, by its name in a checkout and in a package. */
export function besideCode(source: string, built: string): string {
  return join(ROOT, IS_CHECKOUT ? join('src', source) : join('dist', built))
}

/** The number of this version. */
export function version(): string {
  const text = readFileSync(join(ROOT, 'package.json'), 'utf8')
  return (JSON.parse(text) as { version: string }).version
}
