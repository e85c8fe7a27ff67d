// Makes a delivery ready to be sent: policy is asked, small content is brought into memory, and it
// is signed. This goes on while the delivery before it is still being sent.

import type { Clock } from '../../base/clock.ts'
import { collect } from '../../base/collect.ts'
import type { Policy, Signing } from '../../policy/policy.ts'
import type { Delivery } from '../../queue/port/outflow.ts'
import type { Outflow } from '../../queue/port/outflow.ts'
import { planOf } from '../decide/plan.ts'
import type { Plan } from '../decide/plan.ts'

export type Content = Buffer | (() => AsyncIterable<Uint8Array>)
export type Sign = (content: Content, signing: Signing, now: number) => Promise<Buffer>

export interface PrepareOptions {
  readonly queue: Outflow
  readonly policy: () => Policy
  readonly sign: Sign
  readonly clock: Clock
}

type ToSend = Extract<Plan, { kind: 'send' }>

export interface Prepared {
  readonly plan: Plan
  readonly content: Content
  readonly prefix: Buffer
  /** What was signed, or why nothing was. */
  readonly signed: string
}

/** What is read into memory; larger content is streamed. */
const IN_MEMORY = 256 * 1024
const NOTHING = Buffer.alloc(0)

/** At once where nothing has to be waited for: most mail is small and in memory. */
export function prepare(options: PrepareOptions, delivery: Delivery): Prepared | Promise<Prepared> {
  const plan = planOf(delivery, options.policy(), options.clock.now())
  if (plan.kind !== 'send') return { plan, content: NOTHING, prefix: NOTHING, signed: '' }
  const { signing } = plan
  const content = contentOf(options.queue, delivery)
  if (signing !== undefined || content instanceof Promise)
    return signed(options, plan, content, signing)
  return { plan, content, prefix: NOTHING, signed: unsigned(delivery, plan) }

  async function signed(
    { sign, clock }: PrepareOptions,
    plan: ToSend,
    coming: Content | Promise<Content>,
    signing: Signing | undefined,
  ): Promise<Prepared> {
    const content = await coming
    if (signing === undefined)
      return { plan, content, prefix: NOTHING, signed: unsigned(delivery, plan) }
    const prefix = await sign(content, signing, clock.now())
    return { plan, content, prefix, signed: saySigned(signing, plan) }
  }
}

/** Small content as one piece, from memory or from the store; large content as a stream. */
export function contentOf(queue: Outflow, { content }: Delivery): Content | Promise<Content> {
  const { bytes, size } = content
  if (bytes !== undefined) return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  if (size > IN_MEMORY) return () => queue.content(content)
  return collect(queue.content(content))
}

function saySigned({ domain, keys }: Signing, { signedBy }: ToSend): string {
  const each = keys.map(({ selector, algorithm }) => `s=${selector} ${algorithm}`)
  const rule = signedBy === undefined ? '' : ` (${signedBy})`
  return `d=${domain} ${each.join(', ')}${rule}`
}

function unsigned({ envelope }: Delivery, { signedBy }: ToSend): string {
  if (signedBy !== undefined) return `unsigned: ${signedBy}`
  const [from] = envelope.fromDomains
  if (envelope.fromUnread === true) return 'unsigned: the From field cannot be read'
  return from === undefined ? 'unsigned: no From domain' : `unsigned: no key for ${from}`
}
