// Some events, for tests.

import type { Destination } from '../../src/mail/destination.ts'
import type { RelayEvent } from '../../src/mail/event.ts'

const AT = Date.parse('2026-11-22T12:00:00Z')

const WHO = {
  at: AT,
  id: 'm1',
  delivery: 'm1-1',
  from: 'ana@near.example',
  to: 'bo@far.example',
  queue: 'default',
  destination: 'far.example' as Destination,
}

export const ATTEMPTED = {
  ...WHO,
  kind: 'attempted',
  outcome: {
    kind: 'deferred',
    stage: 'rcpt',
    scope: 'recipient',
    by: 'server',
    reply: { code: 450, status: '4.7.1', text: 'Come back later' },
  },
  attempt: {
    startedAt: AT - 250,
    endedAt: AT,
    host: 'mx.far.example',
    tls: { version: 'TLSv1.3', cipher: 'TLS_AES_256_GCM_SHA384', verified: false },
  },
  attempts: 1,
  next: AT + 60_000,
} as const satisfies RelayEvent

export const ENDED = {
  ...WHO,
  kind: 'ended',
  end: 'delivered',
  acceptedAt: AT - 2000,
} as const satisfies RelayEvent

export const NOTE = {
  kind: 'note',
  at: AT,
  level: 'info',
  text: 'all is well',
} as const satisfies RelayEvent
