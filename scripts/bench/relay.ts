// A relay of our own for a measurement: a process of its own with its own folder, sending
// everything to one next hop or by MX to a DNS server of the measurement.

import { spawn } from 'node:child_process'
import { generateKeyPairSync } from 'node:crypto'
import { mkdirSync, openSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { end, freePort, listening, openFolder, type Folder, type Server } from './programs.ts'

export type Signing = 'none' | 'rsa' | 'dual'

export interface RelayOptions {
  /** The checkout whose relay it is, with its packages; absent: this one. */
  readonly tree?: string
  /** The next hop of all mail, or `undefined` for delivery by MX. */
  readonly hop?: number
  readonly signing?: Signing
  readonly connections?: number
  readonly environment?: Record<string, string>
  /** Data folder to start on, else a fresh one. */
  readonly data?: string
  /** Beside or in place of those of a measurement: name in the folder, and text. */
  readonly policies?: Record<string, string>
  /** The file of its log; absent: nowhere. */
  readonly log?: string
  readonly certificate?: { readonly key: string; readonly cert: string }
  /** A second listener, with implicit TLS. */
  readonly tls?: boolean
}

export interface Relay extends Server {
  readonly pid: number
  readonly admin: number
  /** Of the listener with implicit TLS. */
  readonly tlsPort: number | undefined
  readonly data: string
  /** Resident bytes. */
  memory(): number
  /** CPU seconds so far, user and system. */
  cpu(): number
}

export async function startRelay(options: RelayOptions): Promise<Relay> {
  const folder = await openFolder()
  writePolicies(folder, options)
  const [port, admin] = [await freePort(), await freePort()]
  const tlsPort = options.tls === true ? await freePort() : undefined
  const data = options.data ?? join(folder.path, 'data')
  const child = spawn(join(options.tree ?? '.', 'scripts/waypost.js'), ['start'], {
    stdio: ['ignore', options.log === undefined ? 'ignore' : openSync(options.log, 'w'), 'inherit'],
    env: {
      ...process.env,
      WAYPOST_LISTEN:
        `smtp://127.0.0.1:${port}` +
        (tlsPort === undefined ? '' : `,submissions://127.0.0.1:${tlsPort}`),
      ...certificateOf(folder, tlsPort === undefined ? undefined : options.certificate),
      WAYPOST_ADMIN: `http://127.0.0.1:${admin}`,
      WAYPOST_CONFIG: folder.path,
      WAYPOST_DATA: data,
      WAYPOST_HOSTNAME: 'relay.bench.test',
      ...options.environment,
    },
  })
  const roles = options.environment?.['WAYPOST_ROLES'] ?? 'listen'
  await listening(roles.includes('listen') ? port : admin)
  const pid = child.pid!
  return {
    port,
    admin,
    tlsPort,
    data,
    pid,
    memory: () =>
      Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))![1]) * 1024,
    cpu: () => {
      const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]!.split(' ')
      return (Number(fields[11]) + Number(fields[12])) / 100
    },
    async [Symbol.asyncDispose]() {
      await end(child)
      await folder[Symbol.asyncDispose]()
    },
  }
}

function certificateOf(folder: Folder, pair: RelayOptions['certificate']): Record<string, string> {
  if (pair === undefined) return {}
  const files = { WAYPOST_TLS_CERT: 'cert.pem', WAYPOST_TLS_KEY: 'key.pem' }
  writeFileSync(join(folder.path, files.WAYPOST_TLS_CERT), pair.cert)
  writeFileSync(join(folder.path, files.WAYPOST_TLS_KEY), pair.key)
  return Object.fromEntries(
    Object.entries(files).map(([name, file]) => [name, join(folder.path, file)]),
  )
}

function writePolicies(folder: Folder, options: RelayOptions): void {
  const write = (name: string, text: string): void => writeFileSync(join(folder.path, name), text)
  for (const name of ['policies', 'queues', 'keys']) mkdirSync(join(folder.path, name))
  write('policies/relay.yaml', '- allow: { clients: [127.0.0.0/8] }\n')
  const via =
    options.hop === undefined ? 'mx' : `{ host: 127.0.0.1, port: ${options.hop}, tls: none }`
  write('policies/routing.yaml', `- { to: ['*'], via: ${via}, queue: default }\n`)
  write('policies/shaping.yaml', `- { default: true, connections: ${options.connections ?? 20} }\n`)
  write('queues/default.yaml', 'priority: 10\nretry: [1m, 5m]\ngive-up-after: 5d\nwarn-after: 4h\n')
  for (const [name, text] of Object.entries(options.policies ?? {})) write(name, text)
  if (options.signing !== undefined && options.signing !== 'none') writeKeys(write, options.signing)
}

function writeKeys(write: (name: string, text: string) => void, signing: Signing): void {
  const pem = { publicKeyEncoding: { type: 'spki', format: 'pem' } } as const
  const privateKeyEncoding = { type: 'pkcs8', format: 'pem' } as const
  const rsa = generateKeyPairSync('rsa', { modulusLength: 2048, ...pem, privateKeyEncoding })
  const ed25519 = generateKeyPairSync('ed25519', { ...pem, privateKeyEncoding })
  write('keys/rsa.pem', rsa.privateKey)
  write('keys/ed.pem', ed25519.privateKey)
  const second = signing === 'dual' ? ', { selector: e1, file: keys/ed.pem }' : ''
  write(
    'policies/signing.yaml',
    `- domains: [app.test]\n  keys: [ { selector: s1, file: keys/rsa.pem }${second} ]\n`,
  )
}
