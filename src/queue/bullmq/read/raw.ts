// The content of a message, wherever it lives: in Redis, in one piece or several, or in an object store.

import type { Redis } from 'ioredis'

import type { MessageRow } from '../calls/rows.ts'
import type { BucketAddress } from '../s3/address.ts'

/** Nothing when it is not kept: it goes with the last recipient that ends. */
export async function* readRaw(
  redis: Redis,
  prefix: string,
  given: string,
  objects?: { readonly address: BucketAddress; readonly prefix: string },
): AsyncGenerator<Uint8Array> {
  const id = (await redis.get(`${prefix}/alias/${given}`)) ?? given
  const small = await redis.getBuffer(`${prefix}/c/${id}`)
  if (small !== null) return yield small
  let n = 0
  for (; ; n++) {
    const piece = await redis.getBuffer(`${prefix}/c/${id}/${n}`)
    if (piece === null) break
    yield piece
  }
  if (n > 0 || objects === undefined) return
  const row = await redis.hget(`${prefix}/m/${id}`, 'm')
  if (row === null || (await redis.zscore(`${prefix}/live`, id)) === null) return
  const [{ openBucket }, { readContent }] = await Promise.all([
    import('../s3/bucket.ts'),
    import('../s3/store.ts'),
  ])
  const bucket = await openBucket(objects.address, objects.prefix)
  try {
    yield* readContent(bucket, { key: id, size: (JSON.parse(row) as MessageRow).size })
  } finally {
    bucket.close()
  }
}
