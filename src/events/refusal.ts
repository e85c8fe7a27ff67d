// Why a client was refused, as one of few words: for labels of metrics. It is told from the status of
// the reply (RFC 3463), which the listener writes once for each of its sentences.

import type { RelayEvent } from '../mail/event.ts'

export const REASONS = [
  'relaying',
  'sender',
  'route',
  'syntax',
  'sequence',
  'tls',
  'auth',
  'size',
  'recipients',
  'content',
  'loop',
  'space',
  'storage',
  'rate',
  'other',
] as const
export type Reason = (typeof REASONS)[number]

type Refused = Pick<Extract<RelayEvent, { kind: 'refused' }>, 'command' | 'reply'>

export function reasonOf({ command, reply }: Refused): Reason {
  const [, code = '', status = ''] = /^(\d{3}) (\d\.\d+\.\d+)?/.exec(reply) ?? []
  if (code === '500' || code === '501' || code === '502' || code === '555') return 'syntax'
  if (status === '5.7.1') return reply.includes('may not send as') ? 'sender' : 'relaying'
  if (status === '5.7.0' || status === '5.7.11')
    return /STARTTLS|Encryption/.test(reply) ? 'tls' : 'auth'
  if (status === '4.7.0') return /^AUTH\b/i.test(command) ? 'auth' : 'rate'
  return OF_STATUS[status] ?? (code === '421' ? 'rate' : 'other')
}

const OF_STATUS: Readonly<Record<string, Reason>> = {
  '5.7.8': 'auth',
  '5.4.4': 'route',
  '5.4.6': 'loop',
  '5.3.4': 'size',
  '4.5.3': 'recipients',
  '4.3.1': 'space',
  '4.3.0': 'storage',
  '5.6.0': 'content',
  '5.6.7': 'syntax',
  '5.5.1': 'sequence',
  '5.5.4': 'syntax',
}
