// One try of one delivery: over the connection at hand or a new one, until there is an outcome for
// every recipient that was asked for. It ends in a settlement and never throws.

import type { Clock } from '../../base/clock.ts'
import type { Report } from '../../mail/event.ts'
import { formatPath } from '../../mail/address.ts'
import type { Outcome } from '../../mail/outcome.ts'
import type { Policy } from '../../policy/policy.ts'
import type { Delivery } from '../../queue/port/outflow.ts'
import { assess, ofConnection } from '../decide/assess.ts'
import type { Assessed } from '../decide/assess.ts'
import type { Patience } from '../trouble/back-off.ts'
import type { Health } from '../site/health.ts'
import type { Notices } from '../notice/owed.ts'
import type { Connection, Transaction, TransactionResult } from '../connection.ts'
import { viewOf } from '../decide/judge.ts'
import { patienceOf, timeAfter } from '../decide/plan.ts'
import type { Plan } from '../decide/plan.ts'
import type { Prepared } from './prepare.ts'
import { obtain } from './obtain.ts'
import type { ObtainOptions } from './obtain.ts'
import type { Reached } from './reach.ts'
import type { ToSettle } from '../settle/settler.ts'
import { all, attempted, ended, factOf, moved, troubled, untried } from '../decide/settlements.ts'
import type { Slot } from '../site/site.ts'
import type { Way } from '../trouble/way.ts'
import { Witness } from './witness.ts'

export interface AttemptOptions extends ObtainOptions {
  readonly health: Health
  readonly notices: Notices
  readonly policy: () => Policy
  readonly clock: Clock
  readonly chance: () => number
  readonly report: Report
}

export interface Made {
  readonly settlement: ToSettle
  /** The connection, or another of the site, can go on with the next. */
  readonly goOn: boolean
}

type ToSend = Extract<Plan, { kind: 'send' }>

/** What a used connection refused, and how many messages it had carried. */
interface Asked {
  readonly refusal: string
  readonly taken: number
}

/** When it is not known whom a refusal is about, the message is asked for again after this. */
const ASK_AGAIN = 60_000
/** After a trouble of all, others of its lane go before the one that met it. */
const BEHIND = 10_000

export class Attempt {
  #options: AttemptOptions
  #slot: Slot
  #delivery: Delivery
  #mayEnd: () => boolean
  #startedAt: number
  readonly #way: Way
  readonly #witness: Witness
  #notes: string[] = []
  #signed = ''
  /** We ourselves kept it from ending. */
  #stopped = false

  constructor(options: AttemptOptions, slot: Slot, delivery: Delivery, mayEnd: () => boolean) {
    this.#options = options
    this.#slot = slot
    this.#delivery = delivery
    this.#mayEnd = mayEnd
    this.#startedAt = options.clock.now()
    this.#way = slot.way
    const patience = (): Patience => patienceOf(delivery, options.policy())
    this.#witness = new Witness(options.health, delivery.id, slot, patience)
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
    const { clock, sites } = this.#options
    const { site } = this.#slot
    const width = site.learnt.recipients(clock.now())
    const transaction = this.#transaction(prepared, plan, width)
    let asked: Asked | undefined
    this.#noteQueue()
    for (;;) {
      const reached = await obtain(this.#options, this.#slot, this.#delivery.last)
      this.#notes.push(...reached.notes)
      if (reached.kind === 'failed') return this.#unreached(reached, plan)
      const { connection } = reached
      const { used, taken } = connection
      const before = clock.now()
      const result = await connection.send(transaction)
      site.took(clock.now() - before)
      const refusal = ofConnection(result, transaction)
      const isAsked = used && asked === undefined && refusal !== undefined
      if (isAsked && site.learnt.freshMayHelp(refusal, clock.now())) asked = { refusal, taken }
      // A limit of the connection: nothing was tried, and a fresh connection knows no such limit.
      else if (result.connection !== 'limit') {
        if (asked !== undefined) this.#learn(asked, refusal)
        return this.#sent(connection, result, plan)
      }
      await sites.retire(this.#slot)
    }
  }

  // What a used connection refused was asked for on a fresh one.
  #learn({ refusal, taken }: Asked, again: string | undefined): void {
    const { learnt } = this.#slot.site
    const now = this.#options.clock.now()
    if (again === refusal) learnt.freshDidNotHelp(refusal, now)
    else learnt.wasFull(taken, now)
  }

  /** No host was to be had. */
  #unreached({ outcome, fact }: Extract<Reached, { kind: 'failed' }>, plan: ToSend): Made {
    const { clock, signal } = this.#options
    const now = clock.now()
    if (signal.aborted) return { settlement: untried(this.#delivery, now), goOn: false }
    const { site } = this.#slot
    const attempt = factOf(this.#startedAt, now, site.name, fact, this.#notes)
    if (outcome.kind === 'refused') {
      const outcomes = all(plan.recipients, outcome)
      return this.#owed(attempted(this.#delivery, outcomes, attempt, this.#terms(plan), plan))
    }
    this.#witness.tellTrouble(outcome, 'login')
    return { settlement: troubled(this.#delivery, outcome, attempt, now), goOn: false }
  }

  #sent(connection: Connection, result: TransactionResult, plan: ToSend): Made {
    const { clock, sites, signal } = this.#options
    const { site } = this.#slot
    const now = clock.now()
    const { fact } = connection
    const attempt = factOf(this.#startedAt, now, site.name, fact, this.#notes, this.#signed)
    if (result.width !== undefined) site.learnt.tooWide(result.width, now)
    const ours = this.#stopped || signal.aborted
    const assessed = this.#assess(connection, result)
    if (result.connection === 'lost' || assessed.askAgain === true) void sites.retire(this.#slot)
    if (!ours) this.#witness.tell(result, assessed, fact.tlsFailed === undefined ? 'login' : 'tls')
    const outcomes = ours ? withoutDeferred(assessed.outcomes) : assessed.outcomes
    const terms = { ...this.#terms(plan), ...this.#askedAgain(assessed, now) }
    const settlement = attempted(this.#delivery, outcomes, attempt, terms, plan)
    const goOn = !ours && assessed.trouble === undefined
    return { ...this.#owed(settlement, connection.offersDsn), goOn }
  }

  #assess({ fact }: Connection, result: TransactionResult): Assessed {
    const { id, envelope } = this.#delivery
    const view = viewOf(this.#slot.hop, fact.tlsFailed !== undefined)
    const assessed = assess(result, view, ({ stage }) =>
      this.#way.weigh(id, formatPath(envelope.sender), stage),
    )
    return assessed.trouble === undefined ? this.#witness.putOff(assessed) : assessed
  }

  // Where words alone speak of all, another message should show whether they do.
  #askedAgain({ trouble, askAgain, isByWords, isAlike }: Assessed, now: number) {
    if (askAgain === true) return { untriedUntil: now + ASK_AGAIN }
    if (trouble === undefined || (isByWords !== true && isAlike !== true)) return {}
    const { site } = this.#slot
    const { until } = trouble.scope === 'way' ? this.#way.trouble : site.trouble
    return { untriedUntil: Math.max(now, until) + BEHIND }
  }

  #transaction({ content, prefix }: Prepared, plan: ToSend, width: number): Transaction {
    const { sender, smtpUtf8, eightBit, ret, envid } = this.#delivery.envelope
    return {
      sender,
      recipients:
        plan.recipients.length > width ? plan.recipients.slice(0, width) : plan.recipients,
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

  #terms({ retry, expireAt }: Pick<ToSend, 'retry' | 'expireAt'>) {
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
    const terms = this.#terms({ retry, expireAt })
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

// Where we stopped it ourselves nothing is known of the server: those recipients were not tried.
function withoutDeferred(outcomes: ReadonlyMap<number, Outcome>): Map<number, Outcome> {
  return new Map([...outcomes].filter(([, { kind }]) => kind !== 'deferred'))
}

function describe(error: unknown): string {
  const cause =
    error instanceof Error && error.cause instanceof Error ? `: ${String(error.cause)}` : ''
  return String(error) + cause
}
