// One try of one delivery: over the connection at hand or a new one, until there is an outcome for
// every recipient that was asked for. It ends in a settlement and never throws.

import type { Clock } from '../base/clock.ts'
import type { Report } from '../mail/event.ts'
import type { Outcome } from '../mail/outcome.ts'
import { formatReply } from '../mail/reply.ts'
import type { Policy } from '../policy/policy.ts'
import type { Delivery } from '../queue/port.ts'
import { causeOf } from './cause.ts'
import type { Health } from './health.ts'
import type { Notices } from './notices.ts'
import type { Connection, Transaction, TransactionResult } from './parts.ts'
import { timeAfter } from './plan.ts'
import type { Plan } from './plan.ts'
import type { Prepared } from './prepare.ts'
import { callKey, reach } from './reach.ts'
import type { Call, ReachOptions, Reached } from './reach.ts'
import type { ToSettle } from './settle.ts'
import { all, attempted, ended, factOf, moved, troubled, untried } from './settlements.ts'
import type { Slot } from './site.ts'
import type { Sites } from './sites.ts'

export interface AttemptOptions extends ReachOptions {
  readonly sites: Sites
  readonly health: Health
  readonly notices: Notices
  readonly policy: () => Policy
  readonly clock: Clock
  readonly chance: () => number
  readonly report: Report
  /** Everything stops at once. */
  readonly signal: AbortSignal
}

export interface Made {
  readonly settlement: ToSettle
  /** The connection, or another of the site, can go on with the next. */
  readonly goOn: boolean
}

type ToSend = Extract<Plan, { kind: 'send' }>

export class Attempt {
  #options: AttemptOptions
  #slot: Slot
  #call: Call
  #delivery: Delivery
  #mayEnd: () => boolean
  #startedAt: number
  #notes: string[] = []
  #signed = ''
  /** We ourselves kept it from ending. */
  #stopped = false

  constructor(
    options: AttemptOptions,
    slot: Slot,
    call: Call,
    delivery: Delivery,
    mayEnd: () => boolean,
  ) {
    this.#options = options
    this.#slot = slot
    this.#call = call
    this.#delivery = delivery
    this.#mayEnd = mayEnd
    this.#startedAt = options.clock.now()
  }

  async make(preparing: Prepared | Promise<Prepared>): Promise<Made> {
    try {
      const prepared = preparing instanceof Promise ? await preparing : preparing
      const { plan } = prepared
      if (plan.kind === 'move')
        return { settlement: moved(this.#delivery, plan, this.#startedAt), goOn: true }
      if (plan.kind === 'end') return this.#owed(ended(this.#delivery, this.#startedAt))
      this.#signed = prepared.signed
      return await this.#send(prepared, plan)
    } catch (error) {
      return this.#fail(error)
    }
  }

  async #send(prepared: Prepared, plan: ToSend): Promise<Made> {
    const transaction = this.#transaction(prepared, plan)
    this.#noteQueue()
    for (;;) {
      const reached = await this.#connection()
      if (reached.kind === 'failed') return this.#unreached(reached, plan)
      const { connection } = reached
      const before = this.#options.clock.now()
      const result = await connection.send(transaction)
      this.#slot.site.took(this.#options.clock.now() - before)
      // A limit between transactions: nothing was tried, and a fresh connection knows no such limit.
      if (result.connection === 'limit') await this.#options.sites.retire(this.#slot)
      else return this.#sent(connection, result, plan)
    }
  }

  /** The one at hand where it fits, or a new one. */
  async #connection(): Promise<Reached> {
    const { sites, clock, signal } = this.#options
    const { site, connection } = this.#slot
    const key = callKey(this.#call)
    if (connection !== undefined) {
      if (this.#slot.key === key && this.#fits(connection))
        return { kind: 'connected', connection, notes: [] }
      await sites.retire(this.#slot)
    }
    this.#slot.key = key
    const before = clock.now()
    const reached = await reach(this.#options, site, this.#call, this.#delivery.last, signal)
    this.#notes.push(...reached.notes)
    site.took(reached.kind === 'connected' ? clock.now() - before : Infinity)
    if (reached.kind === 'connected') sites.opened(this.#slot, reached.connection)
    return reached
  }

  #fits(connection: Connection): boolean {
    const { messagesPerConnection } = this.#slot.site.limits
    if (!connection.usable || connection.taken >= messagesPerConnection) return false
    const { last } = this.#delivery
    return last?.address === undefined || last.address === connection.fact.address
  }

  /** No host was to be had. */
  #unreached({ outcome, fact }: Extract<Reached, { kind: 'failed' }>, plan: ToSend): Made {
    const { clock, signal, health } = this.#options
    const now = clock.now()
    if (signal.aborted) return { settlement: untried(this.#delivery, now), goOn: false }
    const { site } = this.#slot
    const attempt = factOf(this.#startedAt, now, site.name, fact, this.#notes)
    if (outcome.kind === 'refused') {
      const outcomes = all(plan.recipients, outcome)
      return this.#owed(attempted(this.#delivery, outcomes, attempt, this.#terms(plan), plan))
    }
    site.fail(this.#slot)
    health.unreachable(site, plan.retry, formatReply(outcome.reply), causeOf(outcome))
    return { settlement: troubled(this.#delivery, outcome, attempt, now), goOn: false }
  }

  #sent(connection: Connection, result: TransactionResult, plan: ToSend): Made {
    const { clock, health, sites, signal } = this.#options
    const { site } = this.#slot
    const now = clock.now()
    const attempt = factOf(
      this.#startedAt,
      now,
      site.name,
      connection.fact,
      this.#notes,
      this.#signed,
    )
    const first = firstOf(result)
    const lost = result.connection === 'lost'
    if (lost) void sites.retire(this.#slot)
    if (first?.kind === 'deferred' && first.scope === 'site') {
      site.fail(this.#slot)
      health.unreachable(site, plan.retry, formatReply(first.reply), causeOf(first))
      return { settlement: troubled(this.#delivery, first, attempt, now), goOn: false }
    }
    const ours = this.#stopped || signal.aborted
    if (!lost || result.outcomes.size === 0) health.well(site)
    else if (!ours) this.#strike(result, plan)
    const outcomes = ours ? withoutDeferred(result.outcomes) : result.outcomes
    const settlement = attempted(this.#delivery, outcomes, attempt, this.#terms(plan), plan)
    return { ...this.#owed(settlement, connection.offersDsn), goOn: !ours }
  }

  #strike(result: TransactionResult, plan: ToSend): void {
    const { health } = this.#options
    const { site } = this.#slot
    const outcomes = [...result.outcomes.values()]
    const loss = outcomes.find(({ kind }) => kind === 'deferred' || kind === 'unknown')
    // What arrived, or was refused, before the server left shows that the site works.
    if (loss === undefined) return health.well(site)
    health.lost(site, this.#delivery.id, plan.retry, formatReply(loss.reply))
  }

  #transaction({ content, prefix }: Prepared, { recipients }: ToSend): Transaction {
    const { sender, smtpUtf8, eightBit, ret, envid } = this.#delivery.envelope
    return {
      sender,
      recipients,
      smtpUtf8,
      eightBit,
      ...(ret === undefined ? {} : { ret }),
      ...(envid === undefined ? {} : { envid }),
      prefix,
      size: this.#delivery.content.size,
      content,
      mayEnd: () => {
        const may = this.#mayEnd()
        this.#stopped ||= !may
        return may
      },
    }
  }

  #noteQueue(): void {
    const { queue } = this.#delivery
    const { name } = this.#options.policy().queue(queue)
    if (name !== queue) this.#notes.push(`The queue "${queue}" has no file: ${name} is used`)
  }

  #terms({ retry, expireAt }: ToSend) {
    const { clock, chance } = this.#options
    const { sender } = this.#delivery.envelope
    return { sender, retry, expireAt, now: clock.now(), chance: chance() }
  }

  #owed(settlement: Parameters<Notices['owed']>[1], passedOn = false): Made {
    const { notices } = this.#options
    return { settlement: notices.owed(this.#delivery, settlement, passedOn), goOn: true }
  }

  // Something of ours is broken (a key that cannot sign, content that cannot be read): tried later.
  #fail(error: unknown): Made {
    const { clock, report, policy, sites } = this.#options
    const now = clock.now()
    const text = `Cannot attempt "${this.#delivery.id}"`
    report({ kind: 'note', at: now, level: 'error', text, cause: describe(error) })
    const connection = this.#slot.connection
    if (connection !== undefined && !connection.usable) void sites.retire(this.#slot)
    const { retry, giveUpAfter } = policy().queue(this.#delivery.queue)
    const expireAt = timeAfter(this.#delivery, giveUpAfter)
    const terms = this.#terms({ kind: 'send', recipients: [], retry, expireAt, signing: undefined })
    const attempt = factOf(this.#startedAt, now, this.#slot.site.name, undefined, this.#notes)
    const outcomes = all(this.#delivery.recipients, BROKEN)
    const settlement = attempted(this.#delivery, outcomes, attempt, terms, {})
    return { settlement, goOn: true }
  }
}

const BROKEN: Outcome = {
  kind: 'deferred',
  stage: 'here',
  scope: 'message',
  reply: { code: 451, status: '4.3.0', text: 'The relay could not send it; its log says why' },
  by: 'relay',
}

function firstOf({ outcomes }: TransactionResult): Outcome | undefined {
  for (const outcome of outcomes.values()) return outcome
  return undefined
}

// Where we stopped it ourselves nothing is known of the server: those recipients were not tried.
function withoutDeferred(outcomes: ReadonlyMap<number, Outcome>): Map<number, Outcome> {
  return new Map([...outcomes].filter(([, { kind }]) => kind !== 'deferred'))
}

function describe(error: unknown): string {
  const cause =
    error instanceof Error && error.cause instanceof Error ? `: ${String(error.cause)}` : ''
  return String(error) + cause
}
