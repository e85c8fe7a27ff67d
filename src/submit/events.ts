// What is told of mail that is refused. That it was accepted is told as the queue tells it.

import type { RelayEvent } from '../mail/event.ts'
import type { At } from '../policy/policy.ts'
import type { Submission } from './submission.ts'
import { formatAddress, type Address } from '../mail/address.ts'

export type Refused = Extract<RelayEvent, { kind: 'refused' }>

/** What a client asked for, and was told. */
export interface Denial {
  readonly at: number
  readonly client: string
  readonly user?: string | undefined
  /** In the words of the way in, as is the reply: `RCPT TO:<bo@far.example>`. */
  readonly command: string
  readonly reply: string
  readonly rule?: At | undefined
}

/** Characters of a command. */
const LONGEST = 300
/** Recipients that are named. */
const NAMED = 5

/** `submission`: what it was said of, where one had begun. */
export function refusedEvent(denial: Denial, submission?: Submission): Refused {
  const { at, client, user, command, reply, rule } = denial
  return {
    kind: 'refused',
    at,
    client,
    ...(user === undefined ? {} : { user }),
    command: command.slice(0, LONGEST),
    reply,
    ...(rule === undefined ? {} : { rule }),
    ...(submission === undefined ? {} : partiesOf(submission)),
  }
}

function partiesOf({ sender, recipients }: Submission): { from: string; to: string[] } {
  const to = recipients.slice(0, NAMED).map(({ address }) => formatAddress(address))
  return { from: pathOf(sender), to }
}

function pathOf(sender: Address | undefined): string {
  return sender === undefined ? '<>' : formatAddress(sender)
}
