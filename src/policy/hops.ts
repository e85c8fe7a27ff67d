// The next hops that rules name: each has the name of its lane, and the way there. Rules that lead to the
// same host, port and login are one destination where they ask for the same, and each its own where one
// asks for other TLS: a host that has not what one rule demands must not stop the mail of the other.

import { destinationOf } from '../mail/destination.ts'
import type { Destination } from '../mail/destination.ts'
import { wayOf } from '../mail/path.ts'
import type { Hop, Path } from '../mail/path.ts'

export class Hops {
  readonly #paths = new Map<Destination, Path>()
  /** By what `wayOf` says of a hop. */
  readonly #names = new Map<string, Destination>()

  /** In the order of the rules: the first way to a place has the plain name, whatever it asks for. */
  constructor(hops: Iterable<Hop>) {
    for (const hop of hops) if (!this.#names.has(wayOf(hop))) this.#name(hop)
  }

  destination(hop: Hop): Destination {
    return this.#names.get(wayOf(hop))!
  }

  path(destination: Destination): Path | undefined {
    return this.#paths.get(destination)
  }

  #name(hop: Hop): void {
    let nth = 1
    while (this.#paths.has(destinationOf(hop.route, hop.login?.user, nth))) nth++
    const destination = destinationOf(hop.route, hop.login?.user, nth)
    this.#paths.set(destination, [hop])
    this.#names.set(wayOf(hop), destination)
  }
}
