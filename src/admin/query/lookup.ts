// From what an operator has in hand (an id, a delivery, an address) to messages.

import type { Filter, QueueReader, Trace } from '../../queue/port/reader.ts'
import type { MessageId } from '../../queue/port/types.ts'
import { CommandError } from '../context.ts'
import { checkIds } from './terms.ts'

/** By message id, or by a delivery's `messageId-n`. */
export async function traceOf(reader: QueueReader, id: string): Promise<Trace | undefined> {
  const [sound] = checkIds([id])
  const trace = await reader.trace(sound as MessageId)
  const message = sound!.replace(/-\d+$/, '')
  return trace === undefined && message !== sound ? reader.trace(message as MessageId) : trace
}

/** Messages from or to this address, newest first. */
export async function messagesOf(
  reader: QueueReader,
  address: string,
  count: number,
): Promise<{ readonly ids: readonly MessageId[]; readonly more: boolean }> {
  const filters: readonly Filter[] = [{ to: address }, { from: address }]
  const found = new Map<MessageId, number>()
  let more = false
  for (const filter of filters) {
    let cursor: string | undefined
    // A bounded look: an address may have a million messages.
    for (let pages = 0; pages < 20; pages++) {
      const page = await reader.find(filter, {
        limit: 500,
        ...(cursor === undefined ? {} : { cursor }),
      })
      for (const { id, acceptedAt } of page.entries) found.set(id, acceptedAt)
      cursor = page.cursor
      if (cursor === undefined) break
    }
    more ||= cursor !== undefined
  }
  const newest = [...found].sort(([, one], [, other]) => other - one).map(([id]) => id)
  return { ids: newest.slice(0, count), more: more || newest.length > count }
}

export function notFound(id: string): CommandError {
  return new CommandError(
    `No message has the id "${id}"; \`waypost queue list\` shows what waits, and what has ended is forgotten after WAYPOST_HISTORY`,
  )
}

/** @param asked a relay was asked what it has refused of late */
export function noMail(address: string, asked = false): CommandError {
  const refused = asked
    ? 'nor was any refused within the last day, as far as is remembered'
    : 'if it was refused, the log of each relay says so: look for "refused"'
  return new CommandError(
    `No message from or to ${address} is known, ${refused}; what has ended is forgotten after WAYPOST_HISTORY`,
  )
}
