// `waypost sink`: a mail server for trials, one line a message.

import { once } from 'node:events'
import { InvalidArgumentError, type Command } from 'commander'
import { printable } from '../../base/escape.ts'
import { formatSize } from '../../base/units.ts'
import type { Context } from '../context.ts'
import { readTime } from '../filter.ts'
import { jsonLine } from '../plain.ts'
import { command, type Act } from '../program.ts'
import { startSink, type SinkEvent } from '../sink.ts'
import { isoSeconds } from '../times.ts'

interface SinkCommandOptions {
  readonly listen: { readonly host: string; readonly port: number }
  readonly slow?: number
  readonly json?: true
}

const WISHES = `
By the local part of the recipient:
  defer2-x@   greylisted twice, then taken
  reject-x@   refused
  slow-x@     taken, the reply comes late
  drop-x@     the connection is lost before the content (drop1-x@: once)
  unknown-x@  the connection is lost after the content, before its reply
  others      taken
`

export function sinkCommands(program: Command, act: Act): void {
  command(
    program,
    'sink',
    'A mail server for trials that delivers nothing',
    'sink --listen 127.0.0.1:2526',
  )
    .option('--listen <host:port>', 'where', readListen, { host: '127.0.0.1', port: 2526 })
    .option('--slow <time>', 'how late slow-x@ is answered (2s)', readTime)
    .addHelpText('after', WISHES)
    .action(act(runSink))
}

async function runSink(context: Context, options: SinkCommandOptions): Promise<number> {
  const { host, port } = options.listen
  await using sink = await startSink({
    host,
    port,
    ...(options.slow === undefined ? {} : { slow: options.slow }),
    report: (event) => context.print(options.json === true ? jsonOf(event) : textOf(event)),
  })
  context.complain(`The sink listens on ${host}:${sink.port}; Ctrl-C ends it\n`)
  if (!context.signal.aborted) await once(context.signal, 'abort')
  return 0
}

function jsonOf(event: SinkEvent): string {
  if (event.kind !== 'taken') return jsonLine(event)
  const { content: _, ...rest } = event
  return jsonLine(rest)
}

function textOf(event: SinkEvent): string {
  const from = event.from === '' ? '<>' : event.from
  const to = typeof event.to === 'string' ? event.to : event.to.join(' ')
  const what = event.kind === 'taken' ? formatSize(event.size) : ''
  const said = event.kind === 'refused' ? event.reply : what
  return printable(`${isoSeconds(event.at)} ${event.kind.padEnd(8)} ${from} → ${to} ${said}`) + '\n'
}

function readListen(text: string): { host: string; port: number } {
  const match = /^(?:\[([0-9a-f:.]+)\]|([^:]+)):(\d{1,5})$/i.exec(text)
  const port = Number(match?.[3])
  if (match === null || port > 65_535)
    throw new InvalidArgumentError('Write an address and a port such as 127.0.0.1:2526.')
  return { host: match[1] ?? match[2]!, port }
}
