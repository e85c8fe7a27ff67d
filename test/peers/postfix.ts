// A private Postfix as a next hop: its own folders, its own port, STARTTLS with a certificate of
// ours, and all mail handed on to a server of the test. It needs root.

import { spawnSync } from 'node:child_process'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { chmod, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Certificate } from './certificate.ts'
import { freePort, greets, until } from './process.ts'

export interface Postfix extends AsyncDisposable {
  readonly port: number
  /** Its log, for the one who asks why. */
  log(): string
}

export interface PostfixOptions {
  /** The port that it hands all mail to. */
  readonly next: number
  readonly certificate: Certificate
  /** More lines of main.cf. */
  readonly lines?: readonly string[]
}

export async function startPostfix(options: PostfixOptions): Promise<Postfix> {
  const folder = await mkdtemp(join(tmpdir(), 'waypost-postfix-'))
  await chmod(folder, 0o755) // its daemons drop their rights
  const port = await freePort()
  const etc = join(folder, 'etc')
  configure(folder, port, options)
  control(etc, 'start')
  await until(() => greets(port), 'Postfix', 20_000)
  return {
    port,
    log: () => readFileSync(join(folder, 'postfix.log'), 'utf8'),
    async [Symbol.asyncDispose]() {
      control(etc, 'stop')
      await rm(folder, { recursive: true, force: true })
    },
  }
}

function configure(folder: string, port: number, options: PostfixOptions): void {
  for (const name of ['etc', 'queue', 'data']) mkdirSync(join(folder, name))
  spawnSync('chown', ['postfix', join(folder, 'data')])
  // No service runs in a chroot, and the only one that listens is on our port.
  const master = readFileSync('/usr/share/postfix/master.cf.dist', 'utf8')
    .replace(/^smtp( +)inet/m, `127.0.0.1:${port} inet`)
    .replaceAll(/^([a-z0-9:.]+ +(?:inet|unix|fifo) +[-n] +[-yn?]+ +)y/gm, '$1n')
  const { key, cert } = options.certificate
  writeFileSync(join(folder, 'etc', 'master.cf'), master)
  writeFileSync(join(folder, 'etc', 'tls.pem'), key + cert, { mode: 0o600 })
  writeFileSync(join(folder, 'etc', 'main.cf'), `${settings(folder, options).join('\n')}\n`)
}

function settings(folder: string, { next, lines = [] }: PostfixOptions): string[] {
  return [
    'compatibility_level = 3.6',
    `queue_directory = ${folder}/queue`,
    `data_directory = ${folder}/data`,
    'myhostname = smarthost.example',
    'mydestination =',
    'mynetworks = 127.0.0.0/8',
    'inet_interfaces = 127.0.0.1',
    'inet_protocols = ipv4',
    `relayhost = [127.0.0.1]:${next}`,
    'smtp_tls_security_level = none',
    'disable_dns_lookups = yes',
    'smtp_host_lookup = native',
    `maillog_file_prefixes = ${folder}, /var, /dev/stdout`,
    `maillog_file = ${folder}/postfix.log`,
    `smtpd_tls_chain_files = ${folder}/etc/tls.pem`,
    'smtpd_tls_security_level = may',
    'smtpd_tls_received_header = yes',
    ...lines,
  ]
}

function control(etc: string, verb: 'start' | 'stop'): void {
  const { status, stderr } = spawnSync('/usr/sbin/postfix', ['-c', etc, verb], { encoding: 'utf8' })
  if (status !== 0) throw new Error(`postfix ${verb} failed: ${stderr}`)
}
