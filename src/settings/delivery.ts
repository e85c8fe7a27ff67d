// How mail goes out.

import { readRefused, REFUSED_BY_DEFAULT } from '../delivery/hosts/private-networks.ts'
import { row, type ValuesOf } from './row.ts'
import * as values from './values.ts'

export const DELIVERY = {
  source: row(
    'WAYPOST_SOURCE',
    '',
    values.readSource,
    'What others see this process call from; the connection limits of a site are shared by all processes that say the same. Default: WAYPOST_HOSTNAME',
  ),
  dns: row(
    'WAYPOST_DNS',
    '',
    values.readResolver,
    'The resolvers, host:port, comma-separated; default: those of the system',
  ),
  mxRefuse: row(
    'WAYPOST_MX_REFUSE',
    REFUSED_BY_DEFAULT,
    readRefused,
    'Networks that nobody is reached in without a named next hop; none allows all',
  ),
  mxPort: row(
    'WAYPOST_MX_PORT',
    '25',
    values.readPort,
    'The port of MX hosts; anything but 25 is for trials',
  ),
  connections: row(
    'WAYPOST_CONNECTIONS',
    '5000',
    values.readCount,
    'Outbound connections at one time, in all',
  ),
} as const

export interface DeliverySettings extends ValuesOf<typeof DELIVERY> {
  readonly source: string
}
