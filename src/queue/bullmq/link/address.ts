// Where Redis is, as operators write it: redis://host:6379/0, rediss:// for TLS, or
// redis+sentinel://host:26379,host:26379/name/0, where sentinels tell which server is the master.

import { withoutSecrets } from '../../../base/mask.ts'

export interface RedisAddress {
  readonly kind: 'server' | 'sentinel'
  /** Servers, or the sentinels. */
  readonly hosts: readonly { readonly host: string; readonly port: number }[]
  /** What the sentinels call the master. */
  readonly name?: string
  readonly tls: boolean
  readonly user?: string
  readonly password?: string
  readonly database: number
}

const SCHEMES = { redis: 6379, rediss: 6379, 'redis+sentinel': 26_379 } as const
const EXAMPLES =
  'write redis://127.0.0.1:6379/0, rediss://… for TLS, or redis+sentinel://10.0.0.1:26379,10.0.0.2:26379/mymaster'

/** Throws a sentence that says what to write; passwords are never repeated. */
export function readAddress(text: string): RedisAddress {
  const match = /^([a-z+]+):\/\/(?:([^@/]*)@)?([^/@?#]+)((?:\/[^/@?#]*){0,2})$/.exec(text)
  const scheme = match?.[1] as keyof typeof SCHEMES | undefined
  if (match === null || scheme === undefined || !(scheme in SCHEMES))
    throw new Error(`"${withoutSecrets(text)}" is no address of Redis, ${EXAMPLES}`)
  const [, , login, hosts = '', path = ''] = match
  const isSentinel = scheme === 'redis+sentinel'
  const parts = path.split('/').slice(1)
  const name = isSentinel ? parts.shift() : undefined
  if (isSentinel && (name === undefined || name === ''))
    throw new Error(`"${withoutSecrets(text)}" names no master, ${EXAMPLES}`)
  return {
    kind: isSentinel ? 'sentinel' : 'server',
    hosts: readHosts(hosts, SCHEMES[scheme], isSentinel),
    ...(name === undefined ? {} : { name }),
    tls: scheme === 'rediss',
    ...readLogin(login, text),
    database: readDatabase(parts),
  }
}

function readHosts(text: string, usual: number, many: boolean): RedisAddress['hosts'] {
  const hosts = text.split(',').map((each) => {
    const match = /^(\[[0-9a-fA-F:.]+\]|[^:[\]]+)(?::(\d{1,5}))?$/.exec(each)
    const port = Number(match?.[2] ?? usual)
    if (match === null || port < 1 || port > 65_535)
      throw new Error(`"${withoutSecrets(each)}" is no host of Redis, ${EXAMPLES}`)
    return { host: match[1]!.replace(/^\[|\]$/g, ''), port }
  })
  if (hosts.length > 1 && !many)
    throw new Error(
      `"${withoutSecrets(text)}" are several hosts, which only redis+sentinel:// takes; ${EXAMPLES}`,
    )
  return hosts
}

function readLogin(login: string | undefined, text: string): { user?: string; password?: string } {
  if (login === undefined || login === '') return {}
  const [user = '', ...rest] = login.split(':')
  try {
    const password = rest.length === 0 ? undefined : decodeURIComponent(rest.join(':'))
    return {
      ...(user === '' ? {} : { user: decodeURIComponent(user) }),
      ...(password === undefined ? {} : { password }),
    }
  } catch {
    const shown = withoutSecrets(text)
    throw new Error(`"${shown}" has a login with a "%" that stands for nothing, write it as %25`)
  }
}

function readDatabase([text = '', ...rest]: readonly string[]): number {
  if (text === '' && rest.length === 0) return 0
  if (!/^\d{1,4}$/.test(text) || rest.length > 0)
    throw new Error(`"${[text, ...rest].join('/')}" is no database, write a number such as 0`)
  return Number(text)
}

/** For people: without the password. */
export function formatAddress(address: RedisAddress): string {
  const { kind, hosts, name, tls, user, database } = address
  const scheme = kind === 'sentinel' ? 'redis+sentinel' : tls ? 'rediss' : 'redis'
  const all = hosts.map(({ host, port }) => `${host.includes(':') ? `[${host}]` : host}:${port}`)
  const path = [...(name === undefined ? [] : [name]), database].join('/')
  return `${scheme}://${user === undefined ? '' : `${user}@`}${all.join(',')}/${path}`
}
