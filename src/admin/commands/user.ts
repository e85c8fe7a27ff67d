// `waypost user add|password|list|remove`: who may log in. Passwords are hashed here and never shown
// again; the running relay reads the changed file by itself.

import { randomBytes } from 'node:crypto'
import { stat } from 'node:fs/promises'
import type { Command } from 'commander'
import { printable } from '../../base/escape.ts'
import { askSecret, readInput } from '../cli/ask.ts'
import { CommandError, type Context } from '../context.ts'
import { collect } from '../cli/options.ts'
import { ownConfig } from '../cli/own-config.ts'
import { jsonLine } from '../story/plain.ts'
import { command, type Act } from '../cli/program.ts'
import { formatTable } from '../cli/table.ts'

interface AddOptions extends PasswordOptions {
  readonly sender?: readonly string[]
}

interface PasswordOptions {
  readonly passwordStdin?: true
  readonly generate?: true
  readonly json?: true
}

export function addUsers(user: Command, act: Act): void {
  addPassword(
    command(
      user,
      'add <name>',
      'Add a user; it takes effect without a restart',
      'user add billing --sender billing.example --generate',
    ),
  )
    .option(
      '--sender <sender>',
      'what it may send as: an address, a domain (that one alone) or *.domain (its subdomains); again for more',
      collect,
    )
    .action(act(add))
  addPassword(
    command(
      user,
      'password <name>',
      'Change the password of a user; it takes effect without a restart',
      'user password billing --generate',
    ),
  ).action(act(change))
  command(user, 'list', 'The users and what they may send as', 'user list').action(act(list))
  command(user, 'remove <name>', 'Remove a user', 'user remove billing').action(act(remove))
}

function addPassword(command: Command): Command {
  return command
    .option('--password-stdin', 'read the password from standard input')
    .option('--generate', 'make a password and print it, once')
}

async function add(context: Context, name: string, options: AddOptions): Promise<number> {
  const senders = options.sender ?? []
  const password = await passwordOf(context, name, options)
  const hash = await hashOf(password)
  const { addUser } = await import('../../policy/edit.ts')
  await addUser(await ownConfig(context), name, hash, senders, await readerOf(context))
  const made = options.generate === true ? password : undefined
  if (options.json === true) context.print(jsonLine({ name, senders, password: made }))
  else context.print(said(name, senders, made))
  return 0
}

function said(name: string, senders: readonly string[], password: string | undefined): string {
  const as = senders.length === 0 ? 'any sender (--sender limits it)' : senders.join(', ')
  return `${printable(`Added "${name}", who may send as ${as}`)}\n${shown(password)}`
}

function shown(password: string | undefined): string {
  return password === undefined ? '' : `Password: ${password}\n`
}

async function change(context: Context, name: string, options: PasswordOptions): Promise<number> {
  const password = await passwordOf(context, name, options)
  const hash = await hashOf(password)
  const { changePassword } = await import('../../policy/edit.ts')
  await changePassword(await configWith(context, name), name, hash, await readerOf(context))
  const made = options.generate === true ? password : undefined
  if (options.json === true) context.print(jsonLine({ name, password: made }))
  else context.print(`${printable(`Changed the password of "${name}"`)}\n${shown(made)}`)
  return 0
}

/** The folder in which this user can be changed; where there is none, the change will say so. */
async function configWith(context: Context, name: string): Promise<string> {
  const { config, own } = context.places()
  if (config === own) return own
  const { loadPolicy } = await import('../../policy/load.ts')
  const { users } = await loadPolicy(config, context.environment)
  return users.some((user) => user.name === name) ? ownConfig(context) : config
}

async function hashOf(password: string): Promise<string> {
  const { hashPassword } = await import('../../policy/password.ts')
  return hashPassword(password)
}

// Long enough for a phrase, short enough to hash.
const LONGEST = 1024
const SHORTEST = 8

async function passwordOf(
  context: Context,
  name: string,
  options: PasswordOptions,
): Promise<string> {
  if (options.generate === true) return randomBytes(18).toString('base64url')
  if (options.passwordStdin === true) return acceptable(await readInput(context, LONGEST))
  if (!context.interactive)
    throw new CommandError(
      'Nobody can be asked for the password, add --password-stdin or --generate',
      2,
    )
  const password = acceptable(await askSecret(context, `New password of ${name}: `))
  if ((await askSecret(context, 'Once more: ')) === password) return password
  throw new CommandError('The two passwords differ, nothing was changed')
}

function acceptable(password: string): string {
  const length = Buffer.byteLength(password)
  if (length >= SHORTEST && length <= LONGEST && !password.includes('\0')) return password
  throw new CommandError(`The password should have ${SHORTEST} to ${LONGEST} bytes`, 2)
}

async function list(context: Context, options: { json?: true }): Promise<number> {
  const { config } = context.places()
  const { loadPolicy } = await import('../../policy/load.ts')
  const { users } = await loadPolicy(config, context.environment)
  if (options.json === true) {
    for (const { name, senders, at } of users)
      context.print(jsonLine({ name, senders: senders ?? null, where: at }))
  } else if (users.length === 0) {
    context.print('There are no users; `waypost user add NAME` makes one\n')
  } else {
    const rows = users.map(({ name, senders, at }) => [name, senders?.join(' ') ?? '(any)', at])
    const columns = [{ title: 'USER' }, { title: 'MAY SEND AS', least: 20 }, { title: 'WHERE' }]
    context.print(formatTable(columns, rows, context.columns))
  }
  return 0
}

async function remove(context: Context, name: string, options: { json?: true }): Promise<number> {
  const { removeUser } = await import('../../policy/edit.ts')
  await removeUser(await configWith(context, name), name, await readerOf(context))
  context.print(options.json === true ? jsonLine({ name }) : printable(`Removed "${name}"`) + '\n')
  return 0
}

/** The user whom the relay runs as: the data folder is his. */
async function readerOf(context: Context): Promise<number | undefined> {
  return (await stat(context.places().data).catch(() => undefined))?.uid
}
