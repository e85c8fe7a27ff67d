// listen.yaml: limits and switches of the listeners.

import type { ListenRules } from './policy.ts'
import { count, duration, map, oneOf, preset, size } from './read.ts'
import type { ValuesOf } from './read.ts'
import type { Place } from './yaml.ts'

const MINUTES = 60_000

const DEADLINES = {
  command: preset(5 * MINUTES, duration, 'how long one command may take to arrive'),
  message: preset(10 * MINUTES, duration, 'how long the content of one message may take'),
  idle: preset(5 * MINUTES, duration, 'how long a client may say nothing'),
} as const

const NO_DEADLINES: ValuesOf<typeof DEADLINES> = {
  command: DEADLINES.command.absent.value,
  message: DEADLINES.message.absent.value,
  idle: DEADLINES.idle.absent.value,
}

const TABLE = {
  size: preset(50 * 1024 ** 2, size, 'the largest message'),
  recipients: preset(1000, count(1, 100_000), 'the most recipients of one message'),
  connections: preset(2000, count(1, 100_000), 'the most connections in all'),
  'connections-per-client': preset(200, count(1, 100_000), 'the most connections of one address'),
  hops: preset(50, count(1, 1000), 'the Received fields that make a loop'),
  deadlines: preset(NO_DEADLINES, map(DEADLINES), 'how long clients may take'),
  'bare-line-ends': preset(
    'normalise',
    oneOf(['normalise', 'refuse']),
    'what becomes of content with CR or LF alone',
  ),
  'auth-without-tls': preset(
    'never',
    oneOf(['never', 'loopback']),
    'where passwords may come in clear',
  ),
} as const

export const LISTEN_DEFAULTS: ListenRules = {
  size: TABLE.size.absent.value,
  recipients: TABLE.recipients.absent.value,
  connections: TABLE.connections.absent.value,
  connectionsPerClient: TABLE['connections-per-client'].absent.value,
  hops: TABLE.hops.absent.value,
  deadlines: NO_DEADLINES,
  bareLineEnds: 'normalise',
  authWithoutTls: 'never',
}

export function listenRules(place: Place): ListenRules | undefined {
  const value = map(TABLE)(place)
  return (
    value && {
      size: value.size,
      recipients: value.recipients,
      connections: value.connections,
      connectionsPerClient: value['connections-per-client'],
      hops: value.hops,
      deadlines: value.deadlines,
      bareLineEnds: value['bare-line-ends'],
      authWithoutTls: value['auth-without-tls'],
    }
  )
}
