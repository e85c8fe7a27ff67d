// `waypost trace`: every recorded fact of a message, and why it waits.

import type { Command } from 'commander'
import { formatAddress, parseAddress } from '../../mail/address.ts'
import { printable } from '../../base/escape.ts'
import type { Trace } from '../../queue/port/reader.ts'
import type { Context } from '../context.ts'
import { explain } from '../cli/story.ts'
import { optionOf } from '../cli/options.ts'
import { readCount } from '../query/terms.ts'
import { messagesOf, noMail, notFound, traceOf } from '../query/lookup.ts'
import { jsonFact, jsonLine, jsonNow } from '../story/plain.ts'
import { command, type Act } from '../cli/program.ts'
import type { Refused } from '../../events/refused-mail.ts'
import { openReader, refusedOf } from '../control/reach.ts'
import { both } from '../story/times.ts'
import { wrap } from '../cli/wrap.ts'

interface TraceOptions {
  readonly limit: number
  readonly json?: true
}

export function traceCommands(program: Command, act: Act): void {
  command(
    program,
    'trace <id-or-address>',
    'Every fact of a message in order, why it waits and until when',
    'trace bo@far.example',
  )
    .addOption(optionOf('--limit <count>', 'messages of an address, newest first', readCount, '5'))
    .action(act(traceMessages))
}

async function traceMessages(
  context: Context,
  what: string,
  options: TraceOptions,
): Promise<number> {
  await using reader = await openReader(context)
  const address = parseAddress(what)
  const found =
    address === undefined
      ? { ids: [what], more: false }
      : await messagesOf(reader, formatAddress(address), options.limit)
  let count = 0
  for (const id of found.ids) {
    const trace = await traceOf(reader, id)
    if (trace === undefined) continue
    if (count++ > 0 && options.json !== true) context.print('\n')
    printTrace(context, trace, options.json === true)
    await context.drained()
  }
  const refused = address === undefined ? [] : await refusedOf(context, formatAddress(address))
  printRefused(context, refused ?? [], options.json === true)
  if (count === 0 && (refused ?? []).length === 0)
    throw address === undefined ? notFound(what) : noMail(what, refused !== undefined)
  if (found.more && options.json !== true)
    context.complain(
      `There are more messages: --limit ${options.limit * 4}, or \`waypost queue list --to\`\n`,
    )
  return 0
}

// Mail that was refused has no id, and nothing was kept of it but this.
function printRefused(context: Context, refused: readonly Refused[], json: boolean): void {
  const now = context.clock.now()
  for (const { kind: _, ...each } of refused)
    if (json) context.print(jsonLine({ fact: 'refused', ...each }))
    else
      for (const line of wrap(sentenceOf(each, now), context.columns, 4))
        context.print(`${printable(line)}\n`)
}

function sentenceOf(refused: Omit<Refused, 'kind'>, now: number): string {
  const { at, client, user, command, reply, rule, times = 1 } = refused
  const who = user === undefined ? client : `${client} (user ${user})`
  const why = rule === undefined ? reply : `${reply} (${rule})`
  return `Refused ${times > 1 ? `${times} times, last ` : ''}${both(at, now)}: ${command} from ${who}: ${why}`
}

export function printTrace(context: Context, trace: Trace, json: boolean): void {
  if (json) {
    const { id } = trace
    for (const fact of trace.facts) context.print(jsonFact(id, fact))
    for (const entry of trace.entries) context.print(jsonNow(entry))
    for (const each of trace.suspended) context.print(jsonLine({ id, fact: 'suspended', ...each }))
    for (const lane of trace.busy ?? []) context.print(jsonLine({ id, fact: 'busy', lane }))
    return
  }
  context.print(`Message ${printable(trace.id)}\n`)
  for (const line of explain(trace, context.clock.now(), context.columns))
    context.print(`${line}\n`)
}
