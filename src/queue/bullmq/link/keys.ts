// Names of keys. All begin with one prefix in braces, so that they are in one slot of a cluster: BullMQ's
// own as {waypost}:lane:…, ours as {waypost}/….

import type { Destination } from '../../../mail/destination.ts'

/** `waypost` becomes `{waypost}`. */
export function prefixOf(name: string): string {
  return `{${name}}`
}

/** How a lane is named in keys: ":" divides BullMQ's. */
export function laneOf(destination: string): string {
  return destination.replace(/[%:]/g, (sign) => (sign === '%' ? '%25' : '%3A'))
}

export function destinationOf(lane: string): Destination {
  return lane.replace(/%(25|3A)/g, (_, code) => (code === '25' ? '%' : ':')) as Destination
}
