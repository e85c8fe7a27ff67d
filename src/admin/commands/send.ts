// `waypost send`: a test message through the relay, and its trace as it happens.

import { hostname as hostName } from 'node:os'
import type { Command } from 'commander'
import { pause } from '../../base/clock.ts'
import { printable } from '../../base/escape.ts'
import { formatAddress, parseAddress } from '../../mail/address.ts'
import { formatDate } from '../../mail/date.ts'
import { isEnd } from '../../mail/outcome.ts'
import type { ProcessEntry, QueueControl } from '../../queue/port/control.ts'
import type { Trace } from '../../queue/port/reader.ts'
import type { MessageId } from '../../queue/port/types.ts'
import { askSecret, readInput } from '../cli/ask.ts'
import { CommandError, type Context } from '../context.ts'
import type { Login, Server } from '../cli/conversation.ts'
import { factLines, standingLines } from '../cli/story.ts'
import { standings, Story } from '../story/story.ts'
import { optionOf } from '../cli/options.ts'
import { readText, readTime } from '../query/terms.ts'
import { jsonFact, jsonNow } from '../story/plain.ts'
import { command, type Act } from '../cli/program.ts'
import { openRelay } from '../control/reach.ts'

interface SendOptions {
  readonly from?: string
  readonly subject: string
  readonly text: string
  readonly wait: number
  readonly user?: string
  readonly passwordStdin?: true
  readonly json?: true
}

export function sendCommands(program: Command, act: Act): void {
  command(
    program,
    'send <to...>',
    'Send a test message through the relay and follow it until it ends; 0 when all got it',
    'send bo@far.example',
  )
    .option('--from <address>', "sender (default: you at the relay's host name)")
    .addOption(optionOf('--subject <text>', 'subject', readText, 'Waypost test message'))
    .addOption(optionOf('--text <text>', 'body', readText, 'Sent by waypost send.'))
    .addOption(optionOf('--wait <time>', 'follow it for at most so long', readTime, '1m'))
    .option('--user <name>', 'log in, over TLS; the password is asked for')
    .option('--password-stdin', 'read the password from standard input')
    .action(act(send))
}

async function send(context: Context, to: string[], options: SendOptions): Promise<number> {
  const recipients = to.map(sound)
  const given = options.from === undefined ? undefined : sound(options.from)
  await using relay = await openRelay(context)
  const { hostname, listeners } = listeningOf(await relay.processes())
  const from = given ?? sound(`${localPart(context.who)}@${hostname}`)
  const login = await loginOf(context, options)
  const server = serverOf(listeners, login)
  const content = compose(from, recipients, options, context.clock.now(), hostname)
  const { handIn } = await import('../cli/conversation.ts')
  const reply = await handIn(server, { from, to: recipients, content }, login)
  const id = /queued as ([\w.-]+)/.exec(reply)?.[1] as MessageId | undefined
  if (id === undefined) throw new CommandError(`The relay took it, but said no id: "${reply}"`)
  if (options.json !== true) context.print(`Message ${printable(id)}\n`)
  const trace = await follow(context, relay, id, options)
  tellEnd(context, trace, options)
  return trace.entries.every(({ state }) => state === 'delivered') ? 0 : 1
}

// The poll is often enough to be live, and seldom enough to cost nothing.
const POLL = 100

/** Prints facts as they come in, until every recipient has ended or the time is over. */
async function follow(
  context: Context,
  relay: QueueControl,
  id: MessageId,
  options: SendOptions,
): Promise<Trace> {
  const end = context.clock.now() + options.wait
  let story: Story | undefined
  let told = 0
  for (;;) {
    const trace = await relay.trace(id)
    if (trace === undefined) throw new CommandError(`The relay does not know "${id}" any more`)
    story ??= new Story(trace)
    for (const fact of trace.facts.slice(told))
      context.print(
        options.json === true
          ? jsonFact(id, fact)
          : factLines(story.tell(fact), context.columns)
              .map((line) => line + '\n')
              .join(''),
      )
    told = trace.facts.length
    const ended = trace.entries.every(({ state }) => isEnd(state))
    if (ended || context.clock.now() >= end || context.signal.aborted) return trace
    await pause(context.clock, POLL, context.signal)
  }
}

function tellEnd(context: Context, trace: Trace, { json }: SendOptions): void {
  if (json === true) {
    for (const entry of trace.entries) context.print(jsonNow(entry))
    return
  }
  context.print('\n')
  for (const standing of standings(trace, context.clock.now()))
    for (const line of standingLines(standing, context.columns)) context.print(line + '\n')
  if (trace.entries.some(({ state }) => !isEnd(state)))
    context.print(
      `Go on with \`waypost trace ${trace.id}\`, or try at once with \`waypost queue retry ${trace.id}\`\n`,
    )
}

// Of another machine's it means that machine.
const LOOPBACK = /:\/\/(127\.|\[::1\]|localhost:)/

/** A relay that listens: on this machine where one does, else anywhere. */
export function listeningOf(processes: readonly ProcessEntry[]): {
  readonly hostname: string
  readonly listeners: readonly Server[]
} {
  const alive = processes.filter(({ isDead, listeners }) => !isDead && listeners.length > 0)
  const found = alive.find(({ host }) => host === hostName()) ?? alive[0]
  if (found === undefined)
    throw new CommandError('No relay listens: start one with `waypost start`')
  const { host, hostname, listeners } = found
  const isHere = host === hostName()
  const reached = listeners.filter((url) => isHere || !LOOPBACK.test(url))
  const machine = isHere ? '127.0.0.1' : host
  return { hostname, listeners: reached.map((url) => serverAt(url, machine)) }
}

/** @param machine where a listener is reached that is bound to every address */
function serverAt(url: string, machine: string): Server {
  const [, scheme, host = '', port] = /^([a-z]+):\/\/(.*):(\d+)$/.exec(url) ?? []
  const plain = host.replace(/^\[|\]$/g, '')
  const reached = plain === '0.0.0.0' || plain === '::' ? machine : plain
  return { scheme: scheme as Server['scheme'], host: reached, port: Number(port) }
}

/** Who logs in goes where that is asked for; who does not, where it is not. */
function serverOf(listeners: readonly Server[], login: Login | undefined): Server {
  const isPlain = ({ scheme }: Server): boolean => scheme === 'smtp'
  const server = listeners.find((each) => isPlain(each) === (login === undefined)) ?? listeners[0]
  if (server === undefined) throw new CommandError('The relay listens nowhere: see WAYPOST_LISTEN')
  if (login === undefined && !isPlain(server))
    throw new CommandError('The relay takes mail only from users: add --user NAME')
  return server
}

async function loginOf(context: Context, options: SendOptions): Promise<Login | undefined> {
  const { user } = options
  if (user === undefined) return undefined
  if (options.passwordStdin === true) return { user, password: await readInput(context, 1024) }
  if (!context.interactive)
    throw new CommandError('Nobody can be asked for the password, give it with --password-stdin', 2)
  return { user, password: await askSecret(context, `Password of ${user}: `) }
}

function compose(
  from: string,
  to: readonly string[],
  { subject, text }: SendOptions,
  now: number,
  hostname: string,
): string {
  return [
    `From: <${from}>`,
    `To: ${to.map((address) => `<${address}>`).join(',\r\n ')}`,
    `Subject: ${subject.replaceAll(/[\r\n]/g, ' ')}`,
    `Date: ${formatDate(now)}`,
    `Message-ID: <waypost-send-${now}@${hostname}>`,
    'MIME-Version: 1.0',
    'Content-Type: text/plain; charset=utf-8',
    'Content-Transfer-Encoding: 8bit',
    '',
    ...text.split(/\r?\n/),
  ].join('\r\n')
}

function sound(text: string): string {
  const address = parseAddress(text)
  if (address === undefined)
    throw new CommandError(`"${text}" is no address, write one such as bo@far.example`, 2)
  return formatAddress(address)
}

function localPart(who: string): string {
  const local = who.replaceAll(/[^a-zA-Z0-9._-]/g, '')
  return local === '' ? 'postmaster' : local
}
