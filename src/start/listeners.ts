// Starts what takes mail in: the certificate that is watched, and the listeners.

import type { Clock } from '../base/clock.ts'
import type { Note } from '../events/note.ts'
import { watchCertificate, type CertificateSource } from '../listen/certificate.ts'
import { Door } from '../listen/door/door.ts'
import { LoginThrottle } from '../listen/door/login-throttle.ts'
import { Turns } from '../listen/door/turns.ts'
import { startListener, type Listener } from '../listen/listener.ts'
import { parseAddress, type Address } from '../mail/address.ts'
import { verifyPassword } from '../policy/password.ts'
import type { Settings } from '../settings/settings.ts'
import { ADVICE, advised } from './advice.ts'
import type { Shared } from './shared.ts'

export async function openCertificate(
  { listen: { tlsCert: cert, tlsKey: key } }: Settings,
  clock: Clock,
  note: Note,
): Promise<CertificateSource | undefined> {
  if (cert === undefined || key === undefined) return undefined
  const tell = (error: unknown): void => note('error', 'The certificate was not reloaded', error)
  return advised(watchCertificate({ cert, key }, clock, tell), ADVICE.certificate)
}

export interface Listeners extends AsyncDisposable {
  readonly all: readonly Listener[]
}

export async function openListeners(
  { listen: { listen, postmaster }, process: { hostname } }: Settings,
  shared: Shared,
  certificate: CertificateSource | undefined,
): Promise<Listeners> {
  await using opened = new AsyncDisposableStack()
  const throttle = new LoginThrottle(shared.clock, verifyPassword)
  const door = new Door(() => shared.policy().listen, shared.clock)
  const turns = new Turns()
  const tls = certificate === undefined ? {} : { tls: () => certificate.current() }
  const options = {
    ...shared,
    ...tls,
    hostname,
    postmaster: postmaster ?? defaultPostmaster(hostname),
    throttle,
    door,
    turns,
    verifyPassword,
  }
  const all: Listener[] = []
  for (const url of listen) {
    const listener = advised(startListener({ ...options, ...url }), ADVICE.listen)
    all.push(opened.use(await listener))
  }
  certificate?.onChange(({ key, cert }) => {
    for (const listener of all) listener.updateTls(key, cert)
  })
  const owned = opened.move()
  return { all, [Symbol.asyncDispose]: () => owned.disposeAsync() }
}

function defaultPostmaster(hostname: string): Address {
  const address = parseAddress(`postmaster@${hostname}`)
  if (address === undefined)
    throw new Error(`Cannot use the host name "${hostname}" as a mail domain: set WAYPOST_HOSTNAME`)
  return address
}
