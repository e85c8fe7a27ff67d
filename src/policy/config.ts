// Which config folder is in force. What is shipped is never edited in place: an update brings it anew,
// and a package or an image made here would carry it to others.

import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { besideCode, IS_CHECKOUT, ROOT } from '../base/package.ts'

/** In a checkout its top folder; `npm run build` puts a copy beside what it compiles. */
export const SHIPPED = IS_CHECKOUT ? ROOT : besideCode('', 'shipped')

export interface ConfigPlaces {
  /** Where an operator's own configuration is, or would be written. */
  readonly own: string
  /** What is read until there is one; absent where WAYPOST_CONFIG decides. */
  readonly shipped?: string
}

/** The folder of `policies/` and `queues/` that counts now. */
export function configInForce({ own, shipped }: ConfigPlaces): string {
  return shipped === undefined || existsSync(join(own, 'policies')) ? own : shipped
}

/**
 * For a relay that runs: from the shipped configuration to an operator's own as soon as there is one,
 * and never back. One that is gone is a mistake, and no reason to send mail by other rules.
 */
export function followConfig(places: ConfigPlaces): () => string {
  let found = configInForce(places)
  return () => (found === places.own ? found : (found = configInForce(places)))
}
