// listen.yaml: limits and switches of the listeners.

import type { ListenRules } from './policy.ts'
import { matchNetworks, parseNetwork } from '../base/network.ts'
import { count, duration, list, map, oneOf, parsed, preset, refined, size } from './read.ts'
import type { Reader, ValuesOf } from './read.ts'

const MINUTES = 60_000

const DEADLINES = {
  command: preset(5 * MINUTES, duration, 'how long one command may take to arrive'),
  message: preset(10 * MINUTES, duration, 'how long a message may take that makes no progress'),
  idle: preset(5 * MINUTES, duration, 'how long a client may say nothing'),
  age: preset(10 * MINUTES, duration, 'how long a client may go without handing in a message'),
} as const

const NO_DEADLINES: ValuesOf<typeof DEADLINES> = {
  command: DEADLINES.command.absent.value,
  message: DEADLINES.message.absent.value,
  idle: DEADLINES.idle.absent.value,
  age: DEADLINES.age.absent.value,
}

const TABLE = {
  size: preset(50 * 1024 ** 2, size, 'the largest message'),
  recipients: preset(1000, count(1, 100_000), 'the most recipients of one message'),
  connections: preset(2000, count(1, 100_000), 'the most connections in all'),
  'connections-per-client': preset(200, count(1, 100_000), 'the most connections of one address'),
  hops: preset(50, count(1, 1000), 'the Received fields that make a loop'),
  deadlines: preset(NO_DEADLINES, map(DEADLINES), 'how long clients may take'),
  'content-rate': preset(1024, size, 'how much content a second is progress'),
  'bare-lf-commands': preset(
    [],
    list(parsed(parseNetwork, 'a network such as 192.0.2.0/24 or 2001:db8::/32')),
    'networks whose commands may end with LF alone',
  ),
  'bare-line-ends': preset(
    'normalise',
    oneOf(['normalise', 'refuse']),
    'what becomes of content with CR or LF alone',
  ),
  'missing-from': preset(
    'add',
    oneOf(['add', 'leave', 'refuse']),
    'what becomes of a message without From',
  ),
  'auth-without-tls': preset(
    'never',
    oneOf(['never', 'loopback']),
    'where passwords may come in clear',
  ),
} as const

const nobody = (): boolean => false

export const LISTEN_DEFAULTS: ListenRules = {
  size: TABLE.size.absent.value,
  recipients: TABLE.recipients.absent.value,
  connections: TABLE.connections.absent.value,
  connectionsPerClient: TABLE['connections-per-client'].absent.value,
  hops: TABLE.hops.absent.value,
  deadlines: NO_DEADLINES,
  contentRate: TABLE['content-rate'].absent.value,
  bareLfCommands: nobody,
  bareLineEnds: 'normalise',
  missingFrom: 'add',
  authWithoutTls: 'never',
}

export const listenRules: Reader<ListenRules> = refined(map(TABLE), (value) => {
  const networks = value['bare-lf-commands']
  return {
    size: value.size,
    recipients: value.recipients,
    connections: value.connections,
    connectionsPerClient: value['connections-per-client'],
    hops: value.hops,
    deadlines: value.deadlines,
    contentRate: value['content-rate'],
    bareLfCommands: networks.length === 0 ? nobody : matchNetworks(networks),
    bareLineEnds: value['bare-line-ends'],
    missingFrom: value['missing-from'],
    authWithoutTls: value['auth-without-tls'],
  }
})
