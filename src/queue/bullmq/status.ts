// What the engine says of itself to people: where it is, what a 250 means, and how the server is.

import type { EngineStatus } from '../port.ts'
import { formatAddress } from './address.ts'
import type { RedisAddress } from './address.ts'
import type { ContentStore } from './content.ts'
import type { Durability, ServerFacts } from './durability.ts'
import type { Link } from './link.ts'
import type { Memory } from './memory.ts'

export function statusOf(
  address: RedisAddress,
  link: Pick<Link, 'down' | 'facts' | 'durability'>,
  memory: Memory | undefined,
  store: Pick<ContentStore, 'at' | 'trouble'>,
): EngineStatus {
  const trouble =
    link.down !== undefined
      ? `Redis is away: ${link.down}`
      : memory?.isFull === true
        ? 'Redis uses more than 80 % of its maxmemory'
        : store.trouble
  return {
    ...describe(address, link.facts, link.durability, memory?.used),
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
