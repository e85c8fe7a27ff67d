// Why mail is refused, whichever way it came in. Every sentence stands here, once, with the status of
// RFC 3463 that belongs to it.

import type { Refusal } from './verdict.ts'

/** Why a local program may not send, and what its operator should write. */
const LOOPBACK_VOID =
  'the rule for loopback holds only on a listener bound to loopback, such as the first of ' +
  'WAYPOST_LISTEN=smtp://127.0.0.1:2525,smtp://0.0.0.0:25'

export const REFUSAL = {
  login: { about: 'auth', status: '5.7.0', text: 'Authentication required' },
  loginHere: {
    about: 'auth',
    status: '5.7.0',
    text: `Authentication required: ${LOOPBACK_VOID}`,
  },
  relaying: { about: 'relaying', status: '5.7.1', text: 'Relaying is not allowed' },
  relayingHere: {
    about: 'relaying',
    status: '5.7.1',
    text: `Relaying is not allowed: ${LOOPBACK_VOID}`,
  },
  sender: { about: 'sender', status: '5.7.1', text: 'This user may not send as that sender' },
  author: {
    about: 'sender',
    status: '5.7.1',
    text: 'This user may not send as the author in From or Sender',
  },
  authorUnclear: {
    about: 'content',
    status: '5.6.0',
    text: 'From or Sender cannot be read for certain, write it as "Last, First" <name@domain>',
  },
  noRoute: { about: 'route', status: '5.4.4', text: 'No route to this recipient' },
  tooManyRecipients: { about: 'recipients', status: '4.5.3', text: 'Too many recipients' },
  tooBig: { about: 'size', status: '5.3.4', text: 'Message is too big' },
  headerTooBig: { about: 'content', status: '5.6.0', text: 'Header is too big' },
  noFrom: { about: 'content', status: '5.6.0', text: 'The header has no From' },
  bareLineEnds: {
    about: 'content',
    status: '5.6.0',
    text: 'Content has a CR or LF that is not part of a CRLF',
  },
  loop: { about: 'loop', status: '5.4.6', text: 'Too many hops, this looks like a loop' },
  full: { about: 'space', status: '4.3.1', text: 'Storage is full, try again later' },
  failing: { about: 'storage', status: '4.3.0', text: 'Cannot take mail now, try again later' },
} as const satisfies Record<string, Refusal>

/** The line is counted from 1. */
export function lostHeader(line: number): Refusal {
  const text = `Line ${line} is no header field, and the header goes on behind it; an empty line ends a header`
  return { about: 'content', status: '5.6.0', text }
}
