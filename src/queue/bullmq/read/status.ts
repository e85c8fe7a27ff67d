// What the engine says of itself to people: where it is, what a 250 means, and how the server is.

import type { EngineStatus } from '../../port/control.ts'
import { formatAddress } from '../link/address.ts'
import type { RedisAddress } from '../link/address.ts'
import type { ContentStore } from '../content/content.ts'
import type { Durability, ServerFacts } from '../link/durability.ts'
import type { Link } from '../link/link.ts'
import type { Watch } from '../link/watch.ts'

export function statusOf(
  address: RedisAddress,
  link: Pick<Link, 'down' | 'facts' | 'durability'>,
  watch: Watch | undefined,
  store: Pick<ContentStore, 'at' | 'trouble'>,
  recoveryPause: number,
): EngineStatus {
  const away = link.down === undefined ? undefined : `Redis is away: ${link.down}`
  const full = watch?.isFull === true ? 'Redis uses more than 80 % of its maxmemory' : undefined
  const trouble = away ?? full ?? watch?.lack ?? store.trouble
  return {
    ...describe(address, link.facts, link.durability, watch?.used),
    ...(recoveryPause > 0 ? { recoveryPause } : {}),
    ...(store.at === undefined ? {} : { content: store.at }),
    ...(trouble === undefined ? {} : { trouble }),
  }
}

export function describe(
  address: RedisAddress,
  facts: ServerFacts,
  durability: Durability,
  used = facts.usedMemory,
): EngineStatus {
  return {
    engine: 'bullmq',
    at: formatAddress(address),
    durability: durability.says,
    content: 'Redis',
    isRelaxed: durability.isRelaxed,
    server: {
      product: facts.product,
      version: facts.version,
      role: facts.role,
      replicas: facts.replicas,
      appendonly: facts.appendOnly ? 'yes' : 'no',
      appendfsync: facts.appendFsync ?? 'unknown',
      maxmemory: facts.maxMemory,
      'maxmemory-policy': facts.maxMemoryPolicy,
      'used-memory': used,
    },
  }
}
