// aiosmtpd as a next hop: a Python server with STARTTLS, and a login when it is given one. What
// it takes it prints, one JSON line a message.

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Certificate } from './certificate.ts'
import { freePort, greets, until } from './process.ts'

export interface Served {
  readonly from: string
  readonly to: readonly string[]
  readonly options: readonly string[]
  readonly content: string
  readonly tls: boolean
  readonly authenticated: boolean
}

export interface Aiosmtpd extends AsyncDisposable {
  readonly port: number
  readonly taken: readonly Served[]
}

export interface Login {
  readonly user: string
  readonly password: string
}

const PROGRAM = `
import asyncio, json, ssl, sys
from aiosmtpd.smtp import SMTP, AuthResult
port, pem, user, password = sys.argv[1:]
class Handler:
    async def handle_DATA(self, server, session, envelope):
        print(json.dumps({
            'from': envelope.mail_from, 'to': envelope.rcpt_tos, 'options': envelope.mail_options,
            'content': envelope.content.decode('latin1'), 'tls': session.ssl is not None,
            'authenticated': bool(session.authenticated)}), flush=True)
        return '250 2.0.0 taken'
def login(server, session, envelope, mechanism, given):
    return AuthResult(success=given.login == user.encode() and given.password == password.encode())
context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
context.load_cert_chain(pem)
def serve():
    return SMTP(Handler(), hostname='smarthost.example', enable_SMTPUTF8=True, tls_context=context,
        require_starttls=True, data_size_limit=60000000,
        **(dict(authenticator=login, auth_required=True) if user else {}))
async def main():
    server = await asyncio.get_running_loop().create_server(serve, '127.0.0.1', int(port))
    await server.serve_forever()
asyncio.run(main())
`

export async function startAiosmtpd(certificate: Certificate, login?: Login): Promise<Aiosmtpd> {
  const folder = await mkdtemp(join(tmpdir(), 'waypost-aiosmtpd-'))
  const pem = join(folder, 'pem')
  await writeFile(pem, certificate.key + certificate.cert)
  const port = await freePort()
  const words = [String(port), pem, login?.user ?? '', login?.password ?? '']
  const child = spawn('/usr/bin/python3', ['-W', 'ignore', '-c', PROGRAM, ...words])
  let out = ''
  let err = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => (out += text))
  child.stderr.setEncoding('utf8').on('data', (text: string) => (err += text))
  const gone = once(child, 'close')
  await until(
    () => greets(port),
    () => `aiosmtpd: ${err}`,
  )
  return {
    port,
    get taken() {
      const whole = out.slice(0, out.lastIndexOf('\n') + 1).split('\n')
      return whole.flatMap((line) => (line === '' ? [] : [JSON.parse(line) as Served]))
    },
    async [Symbol.asyncDispose]() {
      child.kill()
      await gone
      await rm(folder, { recursive: true, force: true })
    },
  }
}
