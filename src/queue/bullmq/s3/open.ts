// Content in an object store, ready for the queue to use.

import type { ContentStore, StoreWorld } from '../content/content.ts'
import type { BucketAddress } from './address.ts'
import { openBucket } from './bucket.ts'
import { ObjectContent } from './store.ts'

/** Rejects with what to do when the bucket cannot be used. `prefix` is that of the queue's keys in Redis. */
export async function openObjects(
  address: BucketAddress,
  prefix: string,
): Promise<(world: StoreWorld) => ContentStore> {
  const bucket = await openBucket(address, prefix)
  return (world) => new ObjectContent(bucket, world)
}
