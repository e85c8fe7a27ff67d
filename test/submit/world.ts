// A policy and a queue that a test can look into. The queue only keeps what it accepted: storage has
// its own tests.

import type { ListenRules, Policy, RelayVerdict } from '../../src/policy/policy.ts'
import type { Intake, NewMail } from '../../src/queue/port/intake.ts'
import type { ContentRef, MessageId } from '../../src/queue/port/types.ts'
import { destinationOf } from '../../src/mail/destination.ts'

export const RULES: ListenRules = {
  size: 50 * 1024 * 1024,
  recipients: 1000,
  connections: 2000,
  connectionsPerClient: 200,
  hops: 50,
  deadlines: { command: 300_000, message: 600_000, idle: 300_000, age: 600_000 },
  contentRate: 1024,
  bareLfCommands: () => false,
  bareLineEnds: 'normalise',
  missingFrom: 'add',
  authWithoutTls: 'never',
}

/** Lets loopback in, sends by MX, and refuses recipients at `nowhere.test`. */
export function testPolicy(
  changes: Partial<Policy> & { rules?: Partial<ListenRules> } = {},
): Policy {
  const allow: RelayVerdict = { action: 'allow', at: 'relay.yaml:1' }
  const queue = { name: 'default', priority: 10, retry: [60_000], giveUpAfter: 86_400_000 }
  return {
    listen: { ...RULES, ...changes.rules },
    files: [],
    warnings: [],
    queues: ['default'],
    users: [],
    mayRelay: () => allow,
    user: () => undefined,
    maySend: () => ({ allowed: true, at: 'no list' }),
    route: ({ domain }) => {
      const route = { kind: 'mx', domain } as const
      if (domain === 'nowhere.test') return undefined
      return { destination: destinationOf(route), queue: 'default', at: 'routing.yaml:1' }
    },
    path: () => undefined,
    secret: () => undefined,
    signing: () => undefined,
    limits: () => ({ connections: 20, messagesPerConnection: 100, at: 'shaping.yaml:1' }),
    lifetime: queue.giveUpAfter,
    queue: () => ({ ...queue, warnAfter: 3_600_000, at: 'default.yaml:1' }),
    ...changes,
  }
}

export interface Kept {
  readonly mail: NewMail
  readonly content: string
}

/** Keeps what it accepts; `fail` is thrown by `store` or `accept`. */
export class TestQueue implements Intake {
  readonly accepted: Kept[] = []
  readonly discarded: ContentRef[] = []
  readonly fail: { store?: Error; accept?: Error } = {}
  refused: ReturnType<Intake['refuses']>
  #count = 0

  newId(): MessageId {
    return `m${++this.#count}` as MessageId
  }

  refuses(): ReturnType<Intake['refuses']> {
    return this.refused
  }

  async store(id: MessageId, chunks: AsyncIterable<Uint8Array> | Uint8Array): Promise<ContentRef> {
    if (this.fail.store !== undefined) throw this.fail.store
    if (chunks instanceof Uint8Array) return { key: id, size: chunks.length, bytes: chunks }
    const parts: Uint8Array[] = []
    for await (const chunk of chunks) parts.push(chunk)
    const bytes = Buffer.concat(parts)
    return { key: id, size: bytes.length, bytes }
  }

  discard(content: ContentRef): Promise<void> {
    this.discarded.push(content)
    return Promise.resolve()
  }

  accept(mail: NewMail): Promise<MessageId> {
    if (this.fail.accept !== undefined) return Promise.reject(this.fail.accept)
    const content = Buffer.from(mail.content.bytes!).toString('latin1')
    this.accepted.push({ mail, content })
    return Promise.resolve(mail.id)
  }
}
