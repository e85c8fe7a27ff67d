// The real way out, put together: names are looked up, hosts are called, mail is signed.

import { networkInterfaces } from 'node:os'
import type { Clock } from '../base/clock.ts'
import { createResolver } from '../dns/resolver.ts'
import { createSystemLookup } from '../dns/system.ts'
import { connect } from './connect/connect.ts'
import { sign } from './sign/dkim.ts'
import { createMx, type Mx } from './hosts/mx.ts'
import { composeNotice } from './notice/compose.ts'
import type { Connect } from './attempt/reach.ts'
import type { Sign } from './attempt/prepare.ts'
import { createTlsContexts } from './connect/tls.ts'

export interface OutboundOptions {
  /** What we call ourselves in EHLO, and by what mail would come back to us. */
  readonly hostname: string
  /** The resolver, `host:port`; absent: the system's. */
  readonly server: string | undefined
  /** Addresses that only a named next hop may lead to. */
  readonly refuse: (address: string) => boolean
  readonly clock: Clock
  readonly chance: () => number
}

export interface Outbound {
  readonly mx: Mx
  readonly connect: Connect
  readonly sign: Sign
  readonly composeNotice: typeof composeNotice
}

export function createOutbound(options: OutboundOptions): Outbound {
  const { hostname, server, refuse, clock, chance } = options
  const resolver = createResolver({ clock, ...(server === undefined ? {} : { server }) })
  const tls = createTlsContexts()
  return {
    mx: createMx({
      resolver,
      system: createSystemLookup(clock),
      ownNames: [hostname],
      ownAddresses: ownAddresses(),
      refuse,
      chance,
    }),
    connect: (target, signal) => connect(target, { helloName: hostname, clock, signal, tls }),
    sign,
    composeNotice,
  }
}

/** Loopback is left out: whether mail may go there is `refuse`'s question. */
function ownAddresses(): string[] {
  const all = Object.values(networkInterfaces()).flatMap((addresses) => addresses ?? [])
  return all.filter(({ internal }) => !internal).map(({ address }) => address)
}
