// `waypost policy route`: where mail would go, as the files of now say; nothing is sent or asked.

import type { Command } from 'commander'
import { printable } from '../../base/escape.ts'
import { formatDuration } from '../../base/units.ts'
import { formatAddress, parseAddress, type Address } from '../../mail/address.ts'
import type { Hop } from '../../mail/path.ts'
import { CommandError, type Context } from '../context.ts'
import { jsonLine } from '../story/plain.ts'
import { command, type Act } from '../cli/program.ts'

export function addRoute(policy: Command, act: Act): void {
  command(
    policy,
    'route <from> <to>',
    'Where mail of that sender to that recipient would go, and which rules say so; <> is the null sender',
    'policy route app@near.example bo@far.example',
  ).action(act(showRoute))
}

async function showRoute(
  context: Context,
  from: string,
  to: string,
  options: { json?: true },
): Promise<number> {
  const sender = from === '<>' || from === '' ? undefined : readAddress(from)
  const recipient = readAddress(to)
  const { config } = context.places()
  const { loadPolicy } = await import('../../policy/load.ts')
  const policy = await loadPolicy(config, context.environment)
  const routing = policy.route(recipient, sender)
  if (routing === undefined)
    throw new CommandError(
      `No rule of routing.yaml in "${config}" fits ${formatAddress(recipient)}: it would be refused with 550 5.4.4`,
    )
  const [hop] = policy.path(routing.destination)!
  const queue = policy.queue(routing.queue)
  const signing = sender === undefined ? undefined : policy.signing([sender.domain])
  if (options.json === true) {
    const { destination, at } = routing
    const signed = signing === undefined ? null : { domain: signing.domain, rule: signing.at }
    const told = { name: queue.name, priority: queue.priority, rule: queue.at }
    context.print(
      jsonLine({ destination, route: plain(hop), rule: at, queue: told, signing: signed }),
    )
    return 0
  }
  const keys = signing?.keys.map(({ selector }) => selector).join(', ')
  const rows = [
    ['goes', `${describe(hop)} (${routing.at})`],
    [
      'queue',
      `${queue.name}, priority ${queue.priority}, given up after ${formatDuration(queue.giveUpAfter)} (${queue.at})`,
    ],
    [
      'signed',
      signing === undefined
        ? 'no: no key fits the domain of the sender, if that is the domain of From'
        : `as ${signing.domain} with ${keys}, if From has the domain of the sender (${signing.at})`,
    ],
  ] as const
  for (const [name, text] of rows) context.print(printable(`${name.padEnd(8)}${text}`) + '\n')
  return 0
}

function readAddress(text: string): Address {
  const address = parseAddress(text)
  if (address === undefined)
    throw new CommandError(`"${text}" is no address, write one such as bo@far.example`, 2)
  return address
}

function describe({ route, tls, login }: Hop): string {
  if (route.kind === 'mx') return `to the MX hosts of ${route.domain}`
  const user = login === undefined ? '' : `, logged in as ${login.user}`
  return `to ${route.host}:${route.port}, TLS ${tls}${user}`
}

function plain({ route, tls, login, implicitTls }: Hop) {
  if (route.kind === 'mx') return route
  const begin = implicitTls === undefined ? {} : { implicitTls }
  return { ...route, tls, ...begin, ...(login === undefined ? {} : { user: login.user }) }
}
