// `waypost queue retry|hold|release|refuse|cancel`: acts on the queue. Bulk acts show first how
// many they would touch; who and why go into the record.

import type { Command } from 'commander'
import { printable } from '../../base/escape.ts'
import type { State } from '../../mail/outcome.ts'
import type { QueueControl, Steered } from '../../queue/port/control.ts'
import type { Filter, StandingHold } from '../../queue/port/reader.ts'
import type { Act as QueueAct } from '../../queue/port/types.ts'
import { confirm } from '../cli/ask.ts'
import { CommandError, type Context } from '../context.ts'
import { addFilters } from '../cli/options.ts'
import { checkIds, filterOf, givenTerms, type Query } from '../query/terms.ts'
import { describeHold, nameOf, releaseOf } from '../story/holds.ts'
import { jsonLine } from '../story/plain.ts'
import { command, type Act } from '../cli/program.ts'
import { openSteering } from '../control/reach.ts'

type Scope = StandingHold['scope']

interface Steering {
  readonly says: string
  readonly example: string
  /** The states it acts on unless others are asked for. */
  readonly states: readonly State[]
  readonly done: string
  readonly needsReason: boolean
}

const STEERING: Readonly<Record<QueueAct, Steering>> = {
  retry: {
    says: 'Try again now',
    example: 'queue retry --domain far.example --yes',
    states: ['waiting'],
    done: 'due now',
    needsReason: false,
  },
  hold: {
    says: 'Stop: held mail neither expires nor warns. With only --destination, --queue or --all it stands and covers new mail',
    example: "queue hold --destination far.example --reason 'their outage' --yes",
    states: ['waiting', 'sending'],
    done: 'held',
    needsReason: true,
  },
  release: {
    says: 'Let held mail go on; ends a standing hold when named as it was. Mail on which a hold stands does not go on by its id',
    example: 'queue release --destination far.example --yes',
    states: ['held'],
    done: 'released',
    needsReason: false,
  },
  refuse: {
    says: 'End as bounced, with a notice that carries the reason',
    example: "queue refuse --from spam@near.example --reason 'not allowed' --yes",
    states: ['waiting', 'sending', 'held'],
    done: 'refused',
    needsReason: true,
  },
  cancel: {
    says: 'End as cancelled, without a notice',
    example: "queue cancel ID --reason 'sent by mistake'",
    states: ['waiting', 'sending', 'held'],
    done: 'cancelled',
    needsReason: true,
  },
}

interface SteerOptions extends Query {
  readonly all?: true
  readonly yes?: true
  readonly reason?: string
  readonly json?: true
}

export function addSteering(queue: Command, act: Act): void {
  for (const [name, steering] of Object.entries(STEERING) as [QueueAct, Steering][]) {
    const reason = steering.needsReason ? 'why, for the record (required)' : 'why, for the record'
    addFilters(command(queue, `${name} [ids...]`, steering.says, steering.example))
      .option('--all', 'everything')
      .option('--reason <text>', reason)
      .option('--yes', 'do not ask')
      .action(
        act((context, ids: string[], options: SteerOptions) => steer(context, name, ids, options)),
      )
  }
}

async function steer(
  context: Context,
  act: QueueAct,
  ids: readonly string[],
  given: SteerOptions,
): Promise<number> {
  const all = checkIds([...ids, ...(given.id ?? [])])
  const options = all.length === 0 ? given : { ...given, id: all }
  const by = { who: context.who, why: reasonOf(act, options) }
  const scope = standingScope(options)
  if (scope === undefined && givenTerms(options).length === 0)
    throw new CommandError(`Say which: ids, filters such as --domain far.example, or --all`, 2)
  await using relay = await openSteering(context)
  const filter = filterOf(options, context.clock.now(), STEERING[act].states)
  const standing = scope !== undefined && (await isStanding(relay, act, scope)) ? scope : undefined
  if (!(await mayAct(context, relay, act, filter, options, standing))) return 1
  const steered =
    standing === undefined
      ? await relay.steer(act, filter, by)
      : await relay[act === 'hold' ? 'hold' : 'unhold'](standing, by)
  const code = tell(context, options, act, steered, standing)
  const holds = act === 'release' || act === 'retry' ? await relay.holds() : []
  if (options.json !== true) tellKept(context, act, steered, holds)
  return standing === undefined && steered.kept !== undefined ? 1 : code
}

/** A hold by scope stands from now on; a release by scope ends one that was named so. */
async function isStanding(relay: QueueControl, act: QueueAct, scope: Scope): Promise<boolean> {
  if (act !== 'release') return act === 'hold'
  return (await relay.holds()).some((hold) => nameOf(hold.scope) === nameOf(scope))
}

function reasonOf(act: QueueAct, { reason }: SteerOptions): string {
  const text = reason?.trim() ?? ''
  if (text === '' && STEERING[act].needsReason)
    throw new CommandError(`${act} needs a reason, add --reason 'why'`, 2)
  if (Buffer.byteLength(text) > 500)
    throw new CommandError('--reason is longer than 500 bytes, write a shorter one', 2)
  return text
}

/** Exactly one of destination, queue and all, and nothing else: what a standing hold can name. */
function standingScope(options: SteerOptions): Scope | undefined {
  const [first, ...others] = givenTerms(options).map(({ name }) => name)
  if (others.length > 0) return undefined
  if (first === undefined) return options.all === true ? { kind: 'all' } : undefined
  if (options.all === true) return undefined
  if (first !== 'destination' && first !== 'queue') return undefined
  return { kind: first, name: options[first]! }
}

// A preview is a count, and counting a million takes its time: beyond this it says "more than".
const PREVIEW = 100_000

async function mayAct(
  context: Context,
  relay: QueueControl,
  act: QueueAct,
  filter: Filter,
  options: SteerOptions,
  standing: Scope | undefined,
): Promise<boolean> {
  const isBulk = givenTerms(options).some(({ name }) => name !== 'id') || options.all === true
  if (!isBulk || options.yes === true) return true
  const { count, more } = await countFitting(relay, filter)
  if (count === 0 && standing === undefined) {
    context.complain(nothing(act, options))
    return false
  }
  const recipients = `${more ? 'more than ' : ''}${count} ${count === 1 ? 'recipient' : 'recipients'}`
  const also = standing !== undefined && act === 'hold' ? ', and new mail until it is released' : ''
  if (context.interactive) return confirm(context, `${act} ${recipients}${also}?`)
  context.complain(`This would ${act} ${recipients}${also}; add --yes to do it\n`)
  return false
}

async function countFitting(
  relay: QueueControl,
  filter: Filter,
): Promise<{ count: number; more: boolean }> {
  let count = 0
  let cursor: string | undefined
  do {
    const page = await relay.find(filter, {
      limit: 1000,
      ...(cursor === undefined ? {} : { cursor }),
    })
    count += page.entries.length
    cursor = page.cursor
  } while (cursor !== undefined && count < PREVIEW)
  return { count, more: cursor !== undefined }
}

function tell(
  context: Context,
  options: SteerOptions,
  act: QueueAct,
  { count, busy, kept }: Steered,
  scope?: Scope,
): number {
  const isNothing = count + busy === 0 && scope === undefined
  if (options.json === true) context.print(jsonLine({ act, count, busy, scope, kept }))
  else if (isNothing) context.complain(kept === undefined ? nothing(act, options) : '')
  else {
    context.print(sentence(act, count, busy, scope))
    if (act === 'hold' && count + busy === 0 && scope?.kind === 'destination')
      context.complain(`Nothing waits for ${scope.name} now. ${DESTINATIONS}\n`)
  }
  return isNothing ? 1 : 0
}

/** Which holds keep what was meant to go on, and what ends them. */
function tellKept(
  context: Context,
  act: QueueAct,
  { count, busy, kept = [] }: Steered,
  holds: readonly StandingHold[],
): void {
  for (const each of kept) {
    const hold = holds.find(({ scope }) => nameOf(scope) === nameOf(each.scope))
    if (hold === undefined) continue
    const many = each.count === 1 ? '1 recipient is' : `${each.count} recipients are`
    context.complain(printable(`${many} not ${STEERING[act].done}: ${describeHold(hold)}`) + '\n')
  }
  if (act === 'retry' && count + busy + kept.length === 0 && holds.length > 0)
    context.complain(
      'What is held is not tried; `waypost queue holds` lists the holds that stand\n',
    )
}

// Ids may be wrong, or right and in a state that the act has no meaning for.
function nothing(act: QueueAct, { state, id }: SteerOptions): string {
  const states = state ?? STEERING[act].states
  const what = state === undefined && id !== undefined ? 'Nothing with such an id' : 'Nothing'
  return `${what} fits: ${act} is for what is ${states.join(' or ')}\n`
}

const DESTINATIONS =
  'A destination is where routing sends mail, which need not be the domain of its recipients: `waypost queue counts --by destination` names them'

function sentence(act: QueueAct, count: number, busy: number, scope: Scope | undefined): string {
  const recipients = `${count} ${count === 1 ? 'recipient' : 'recipients'} ${STEERING[act].done}`
  const later = busy > 0 ? `, ${busy} under way: when their attempt ends` : ''
  return `${recipients}${later}${standing(act, scope)}\n`
}

function standing(act: QueueAct, scope: Scope | undefined): string {
  if (scope === undefined) return ''
  if (act === 'release') return `; the hold on ${nameOf(scope)} has ended`
  return `; the hold on ${nameOf(scope)} stands and covers new mail until ${releaseOf(scope)}`
}
