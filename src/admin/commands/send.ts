// `waypost send`: a test message through the relay, and its trace as it happens.

import type { Command } from 'commander'
import { pause } from '../../base/clock.ts'
import { printable } from '../../base/escape.ts'
import { formatAddress, parseAddress } from '../../mail/address.ts'
import { isEnd } from '../../mail/outcome.ts'
import type { MessageId, Trace } from '../../queue/port.ts'
import { askSecret, readInput } from '../ask.ts'
import { CommandError, type Context } from '../context.ts'
import type { Status } from '../control.ts'
import { handIn, type Login, type Server } from '../conversation.ts'
import { explainNow, Story } from '../explain.ts'
import { readTime } from '../filter.ts'
import { jsonLine, plainEntry } from '../plain.ts'
import { command, type Act } from '../program.ts'
import { openRelay } from '../reach.ts'
import type { Remote } from '../remote.ts'

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
    'Send a test message through the relay and follow it until it ends',
    'send bo@far.example',
  )
    .option('--from <address>', 'sender; default: you at WAYPOST_HOSTNAME')
    .option('--subject <text>', 'subject', 'Waypost test message')
    .option('--text <text>', 'body', 'This message was sent by `waypost send`.')
    .option('--wait <time>', 'follow it for at most so long', readTime, 60_000)
    .option('--user <name>', 'log in as; the password is asked for')
    .option('--password-stdin', 'read the password from standard input')
    .action(act(send))
}

async function send(context: Context, to: string[], options: SendOptions): Promise<number> {
  const { hostname } = context.places()
  const from = sound(options.from ?? `${localPart(context.who)}@${hostname}`)
  const recipients = to.map(sound)
  await using relay = await openRelay(context)
  const server = serverOf(await relay.status())
  const login = await loginOf(context, options)
  const content = compose(from, recipients, options, context.clock.now(), hostname)
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
  relay: Remote,
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
          ? jsonLine({ id, fact: fact.kind, ...fact })
          : story
              .tell(fact)
              .map((line) => printable(line) + '\n')
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
    for (const entry of trace.entries)
      context.print(jsonLine({ fact: 'now', ...plainEntry(entry) }))
    return
  }
  context.print('\n')
  for (const line of explainNow(trace, context.clock.now())) context.print(printable(line) + '\n')
  if (trace.entries.some(({ state }) => !isEnd(state)))
    context.print(`Go on with \`waypost trace ${trace.id}\`\n`)
}

/** The first listener that takes mail without ado; else the first. */
function serverOf({ listeners }: Status): Server {
  const server = listeners.find(({ scheme }) => scheme === 'smtp') ?? listeners[0]
  if (server === undefined) throw new CommandError('The relay listens nowhere: see WAYPOST_LISTEN')
  const host = server.host === '0.0.0.0' ? '127.0.0.1' : server.host === '::' ? '::1' : server.host
  return { ...server, host }
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
  const date = new Date(now).toUTCString().replace('GMT', '+0000')
  return [
    `From: <${from}>`,
    `To: ${to.map((address) => `<${address}>`).join(',\r\n ')}`,
    `Subject: ${subject.replaceAll(/[\r\n]/g, ' ')}`,
    `Date: ${date}`,
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
