// What the process is and does: its name, its roles, its configuration, its log, its end.

import { row, type ValuesOf } from './row.ts'
import * as values from './values.ts'

export const PROCESS = {
  hostname: row(
    'WAYPOST_HOSTNAME',
    '',
    values.readHostname,
    'Our name in the greeting, EHLO, Received and notices; default: what the system says',
  ),
  config: row(
    'WAYPOST_CONFIG',
    '',
    values.readPath,
    'The folder that holds policies/ and queues/; default: config in the data folder once `waypost init` or another command has written it, until then what is shipped',
  ),
  roles: row(
    'WAYPOST_ROLES',
    'listen,deliver,admin',
    values.readRoles,
    'What this process does, with WAYPOST_REDIS: listen (takes mail in), deliver (takes it out), admin (health and metrics over HTTP)',
  ),
  name: row(
    'WAYPOST_NAME',
    '',
    values.readName,
    'What this process is called in `waypost processes`; default: the name of the machine and the process id',
  ),
  drain: row(
    'WAYPOST_DRAIN',
    '30s',
    values.readTime,
    'How long attempts under way may go on after SIGTERM',
  ),
  log: row(
    'WAYPOST_LOG',
    'auto',
    values.readLog,
    'json, text or off; auto: text on a terminal, else JSON lines',
  ),
} as const

export type ProcessSettings = ValuesOf<typeof PROCESS>
