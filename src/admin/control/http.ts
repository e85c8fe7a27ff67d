// Health and metrics over HTTP: /healthz, /readyz and /metrics, nothing else. Requests are small
// and short, or closed.

import { once } from 'node:events'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { bindError } from '../../base/bind.ts'

export interface AdminOptions {
  readonly host: string
  readonly port: number
  /** `undefined` when mail is taken; else why not. */
  readonly ready: () => Promise<string | undefined>
  /** A scrape in the format that the header field Accept prefers. */
  readonly metrics: {
    scrape(accept: string): Promise<{ readonly contentType: string; readonly text: string }>
  }
}

export interface Admin extends AsyncDisposable {
  /** With the port that was really opened: `http://127.0.0.1:8025`. */
  readonly url: string
}

export async function startAdmin(options: AdminOptions): Promise<Admin> {
  const server = createServer(
    { maxHeaderSize: 8192, requestTimeout: 10_000, headersTimeout: 5000, keepAliveTimeout: 5000 },
    (request, response) => void respond(options, request, response),
  )
  server.maxConnections = 100
  server.listen(options.port, options.host)
  await once(server, 'listening').catch((cause: Error) => {
    throw bindError(options.host, options.port, cause)
  })
  const { port } = server.address() as AddressInfo
  const host = options.host.includes(':') ? `[${options.host}]` : options.host
  return { url: `http://${host}:${port}`, [Symbol.asyncDispose]: () => close(server) }
}

async function close(server: Server): Promise<void> {
  const closed = once(server, 'close')
  server.close()
  server.closeAllConnections()
  await closed
}

interface Page {
  readonly status: number
  readonly text: string
  readonly type?: string
}

async function respond(
  options: AdminOptions,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const page = await pageFor(options, request)
  response.writeHead(page.status, {
    'content-type': page.type ?? 'text/plain; charset=utf-8',
    'cache-control': 'no-store',
    'x-content-type-options': 'nosniff',
    ...(page.status === 405 ? { allow: 'GET, HEAD' } : {}),
  })
  response.end(request.method === 'HEAD' ? '' : page.text)
  request.resume()
}

async function pageFor(options: AdminOptions, request: IncomingMessage): Promise<Page> {
  const path = (request.url ?? '').split('?', 1)[0]!
  if (request.method !== 'GET' && request.method !== 'HEAD')
    return { status: 405, text: 'Only GET\n' }
  switch (path) {
    case '/healthz':
      return { status: 200, text: 'ok\n' }
    case '/readyz':
      return readiness(await options.ready())
    case '/metrics':
      return metricsPage(options.metrics, request.headers.accept)
    default:
      return { status: 404, text: 'Here are /healthz, /readyz and /metrics\n' }
  }
}

function readiness(trouble: string | undefined): Page {
  return trouble === undefined
    ? { status: 200, text: 'ready\n' }
    : { status: 503, text: `not ready: ${trouble}\n` }
}

async function metricsPage(metrics: AdminOptions['metrics'], accept = ''): Promise<Page> {
  try {
    const { text, contentType } = await metrics.scrape(accept)
    return { status: 200, text, type: contentType }
  } catch {
    return { status: 503, text: 'The metrics could not be read\n' }
  }
}
