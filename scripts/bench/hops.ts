// Real mail servers as next hops, on loopback ports of their own, with the limits that a measurement asks
// for. What they accept stays in their queue or is thrown away. Each ends with its scope.

import { spawnSync } from 'node:child_process'
import { createServer, type AddressInfo, type Socket } from 'node:net'
import { once } from 'node:events'
import { join } from 'node:path'
import { HAS_POSTFIX, freePort, listening, startPostfix, type Server } from './programs.ts'
import { openRoot, type Root, type Unpacked } from './roots.ts'

/** A running server, or why there is none. */
export type Started = Server | string

const OPENSMTPD: Unpacked = {
  packages: ['opensmtpd'],
  programs: ['/usr/sbin/smtpd'],
  users: ['opensmtpd', 'opensmtpq'],
}
const EXIM: Unpacked = {
  packages: ['exim4-daemon-light'],
  programs: ['/usr/sbin/exim4'],
  users: ['Debian-exim'],
}
const SENDMAIL: Unpacked = {
  packages: 'sendmail-bin sendmail-cf m4 libwrap0 libldap-2.5-0 liblockfile1 libsasl2-2'.split(' '),
  programs: ['/usr/libexec/sendmail/sendmail', '/usr/libexec/sendmail/makemap', '/usr/bin/m4'],
  users: ['smmta', 'smmsp', 'mail'],
}

/**
 * @param cache see `openRoot`
 * @param lines first lines of smtpd.conf
 */
export function startOpenSmtpd(cache: string, ...lines: string[]): Promise<Started> {
  return startIn(OPENSMTPD, cache, async (root, port) => {
    const conf = [
      ...lines,
      `listen on 127.0.0.1 port ${port} hostname mx.far.test`,
      // Nothing listens there: it keeps what it took.
      'action "keep" relay host "smtp://127.0.0.1:9"',
      'match from any for any action "keep"',
    ]
    root.write('etc/smtpd.conf', `${conf.join('\n')}\n`)
    root.write('etc/mailname', 'mx.far.test\n')
    root.start('/usr/sbin/smtpd', '-d', '-f', '/etc/smtpd.conf')
  })
}

/** @param lines of the main part of its configuration */
export function startExim(cache: string, ...lines: string[]): Promise<Started> {
  return startIn(EXIM, cache, async (root, port) => {
    const conf = [
      'primary_hostname = mx.far.test',
      'local_interfaces = 127.0.0.1',
      `daemon_smtp_ports = ${port}`,
      'spool_directory = /var/spool/exim4',
      'log_file_path = /var/log/exim-%s',
      'queue_only',
      'rfc1413_query_timeout = 0s',
      'tls_advertise_hosts =',
      'acl_smtp_rcpt = all',
      ...lines,
      'begin acl',
      'all:',
      '  accept',
      'begin routers',
      'all:',
      '  driver = accept',
      '  transport = drop',
      'begin transports',
      'drop:',
      '  driver = appendfile',
      '  file = /dev/null',
      '  user = Debian-exim',
    ]
    root.write('etc/exim4/exim4.conf', `${conf.join('\n')}\n`)
    const own = ['var/spool', 'var/log'].map((folder) => join(root.path, folder))
    spawnSync('chown', ['-R', String(root.idOf('Debian-exim')), ...own])
    root.start('/usr/sbin/exim4', '-bdf')
  })
}

/** @param access lines of its access map */
export function startSendmail(cache: string, ...access: string[]): Promise<Started> {
  return startIn(SENDMAIL, cache, async (root, port) => {
    const mc = [
      "OSTYPE(`debian')",
      "define(`confDOMAIN_NAME', `mx.far.test')",
      "define(`confDELIVERY_MODE', `queueonly')",
      "define(`confTO_IDENT', `0s')",
      "FEATURE(`no_default_msa')",
      "FEATURE(`nocanonify')",
      "FEATURE(`accept_unresolvable_domains')",
      "FEATURE(`promiscuous_relay')",
      "FEATURE(`access_db', `hash /etc/mail/access')",
      "FEATURE(`conncontrol', `nodelay', `terminate')",
      `DAEMON_OPTIONS(\`Family=inet, Name=MTA, Port=${port}, Addr=127.0.0.1')`,
      "MAILER(`smtp')",
    ]
    root.write('etc/mail/sendmail.mc', mc.map((line) => `${line}dnl\n`).join(''))
    root.write('etc/mail/access.txt', access.map((line) => `${line}\n`).join(''))
    for (const empty of [
      'etc/mail/local-host-names',
      'var/spool/mqueue/.keep',
      'run/sendmail/.keep',
    ])
      root.write(empty, '')
    root.write('var/run/sendmail/mta/.keep', '')
    const cf = '/usr/share/sendmail/cf'
    const m4 = `/usr/bin/m4 -D_CF_DIR_=${cf}/ ${cf}/m4/cf.m4 sendmail.mc > sendmail.cf`
    const map = '/usr/libexec/sendmail/makemap hash access < access.txt'
    await root.run('/bin/sh', '-c', `cd /etc/mail && ${m4} && ${map}`)
    root.start('/usr/libexec/sendmail/sendmail', '-bD', '-C', '/etc/mail/sendmail.cf')
  })
}

/** A Postfix that takes mail for dest.test, throws it away, and knows "good…" there alone. */
export async function startPostfixHop(...lines: string[]): Promise<Started> {
  if (!HAS_POSTFIX) return 'Postfix is not installed'
  return startPostfix(9, false, [
    'relayhost =',
    // Else nothing of this machine is counted.
    'smtpd_client_event_limit_exceptions =',
    'smtpd_client_connection_count_limit = 50',
    'default_transport = discard:',
    'relay_transport = discard:',
    'relay_domains = dest.test',
    'relay_recipient_maps = regexp:{{/^good/ 1}}',
    ...lines,
  ])
}

async function startIn(
  unpacked: Unpacked,
  cache: string,
  begin: (root: Root, port: number) => Promise<void>,
): Promise<Started> {
  const root = await openRoot(unpacked, cache)
  if (typeof root === 'string') return root
  try {
    const port = await freePort()
    await begin(root, port)
    await listening(port)
    return { port, [Symbol.asyncDispose]: () => root[Symbol.asyncDispose]() }
  } catch (error) {
    const printed = root.printed()
    await root[Symbol.asyncDispose]()
    return `${unpacked.packages[0]} does not start: ${String(error)} ${printed}`
  }
}

export interface Unwell extends Server {
  /** When it began to take mail, of `performance.now()`. */
  readonly wellAt: number
}

/** A scripted hop that says this at MAIL for so long after the first one, and is well then. */
export async function startUnwell(reply: string, milliseconds: number): Promise<Unwell> {
  let wellAt = Infinity
  const sockets = new Set<Socket>()
  const server = createServer({ noDelay: true }, (socket) => {
    sockets.add(socket)
    let content = false
    let rest = ''
    let open = false
    const answer = (line: string): string => {
      const verb = line.slice(0, 4).toUpperCase()
      if (verb === 'EHLO') return '250-unwell.test\r\n250 PIPELINING'
      if (verb === 'MAIL') {
        if (wellAt === Infinity) wellAt = performance.now() + milliseconds
        open = performance.now() >= wellAt
        return open ? '250 ok' : reply
      }
      if (verb === 'RCPT') return open ? '250 ok' : '503 MAIL first'
      if (verb === 'DATA') content = open
      if (verb === 'DATA') return open ? '354 go on' : '503 MAIL first'
      return verb === 'QUIT' ? '221 bye' : '250 ok'
    }
    socket.setEncoding('latin1').write('220 unwell.test\r\n')
    socket.on('error', () => {})
    socket.on('close', () => sockets.delete(socket))
    socket.on('data', (text: string) => {
      rest += text
      for (;;) {
        const stop = content ? '\r\n.\r\n' : '\r\n'
        const end = rest.indexOf(stop)
        if (end === -1) return
        const line = rest.slice(0, end)
        rest = rest.slice(end + stop.length)
        if (content) {
          content = false
          socket.write('250 taken\r\n')
          continue
        }
        socket.write(`${answer(line)}\r\n`)
        if (/^quit/i.test(line)) socket.end()
      }
    })
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    port: (server.address() as AddressInfo).port,
    get wellAt() {
      return wellAt
    },
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy()
      server.close()
    },
  }
}
