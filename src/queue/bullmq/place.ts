// Where a queue in Redis is: what relays and commands need to come to it.

import type { RedisAddress } from './link/address.ts'
import type { DurabilityWish } from './link/durability.ts'
import type { BucketAddress } from './s3/address.ts'

export interface RedisPlace {
  readonly address: RedisAddress
  readonly prefix: string
  readonly wish: DurabilityWish
  /** Where content is, when it is not there too. */
  readonly content?: BucketAddress
}
