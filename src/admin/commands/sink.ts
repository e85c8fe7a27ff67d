// `waypost sink`: a mail server for trials, one line a message.

import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { InvalidArgumentError, type Command } from 'commander'
import { printable } from '../../base/escape.ts'
import { makeFolder } from '../../base/folder.ts'
import { formatSize } from '../../base/units.ts'
import type { Context } from '../context.ts'
import { optionOf } from '../cli/options.ts'
import { readTime } from '../query/terms.ts'
import { jsonLine } from '../story/plain.ts'
import { command, type Act } from '../cli/program.ts'
import type { SinkEvent } from '../../sink/world.ts'
import { isoSeconds } from '../story/times.ts'

interface SinkCommandOptions {
  readonly listen: { readonly host: string; readonly port: number }
  readonly slow: number
  readonly save?: string
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
    .addOption(optionOf('--listen <host:port>', 'where', readListen, '127.0.0.1:2526'))
    .addOption(optionOf('--slow <time>', 'how late slow-x@ is answered', readTime, '2s'))
    .option('--save <folder>', 'keep each message there as a file (its first megabyte)')
    .addHelpText('after', WISHES)
    .action(act(runSink))
}

async function runSink(context: Context, options: SinkCommandOptions): Promise<number> {
  const { host, port } = options.listen
  const folder = options.save === undefined ? undefined : resolve(options.save)
  if (folder !== undefined) await makeFolder(folder)
  const report = (event: SinkEvent): void => {
    const file = folder === undefined ? undefined : saveTo(folder, event)
    context.print(options.json === true ? jsonOf(event, file) : textOf(event, file))
  }
  const { startSink } = await import('../../sink/sink.ts')
  await using sink = await startSink({ host, port, slow: options.slow, report })
  context.complain(`The sink listens on ${host}:${sink.port}; Ctrl-C ends it\n`)
  if (!context.signal.aborted) await once(context.signal, 'abort')
  return 0
}

// Written before it is told, so that whoever reads the line finds the file.
function saveTo(folder: string, event: SinkEvent): string | undefined {
  if (event.kind !== 'taken') return undefined
  const file = join(folder, `${event.at}-${randomUUID().slice(0, 8)}.eml`)
  writeFileSync(file, event.content, { mode: 0o600 })
  return file
}

function jsonOf(event: SinkEvent, file: string | undefined): string {
  if (event.kind !== 'taken') return jsonLine(event)
  const { content: _, ...rest } = event
  return jsonLine({ ...rest, file })
}

function textOf(event: SinkEvent, file: string | undefined): string {
  const from = event.from === '' ? '<>' : event.from
  const to = typeof event.to === 'string' ? event.to : event.to.join(' ')
  const kept = file === undefined ? '' : ` ${file}`
  const what = event.kind === 'taken' ? `${formatSize(event.size)}${kept}` : ''
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
