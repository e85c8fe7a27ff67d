// Edits of users.yaml for the command line. Comments stay, the file is replaced as a whole or not
// at all, keeps its mode and owner, and what is written has been read back and found sound.

import { chown, open, readFile, realpath, rename, rm, stat } from 'node:fs/promises'
import type { Stats } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { Document, isMap, parseDocument } from 'yaml'
import type { YAMLMap } from 'yaml'
import { createFindings, errorsOf, PolicyError } from './findings.ts'
import { parseHash } from './password.ts'
import { parsePattern } from './patterns.ts'
import { userName, users } from './users.ts'
import { parseFile } from './yaml.ts'

/**
 * Rejects when the name is taken, or name, hash or senders are not what users.yaml may hold.
 * @param reader the user whom the relay runs as, where it is known
 */
export async function addUser(
  folder: string,
  name: string,
  hash: string,
  senders: readonly string[],
  reader?: number,
): Promise<void> {
  const action = `Cannot add the user "${name}"`
  if (userName(name) === undefined)
    throw new Error(`${action}: its name should be letters, digits and . _ @ + -, no sign first`)
  if (parseHash(hash) === undefined) throw new Error(`${action}: its password is no argon2id hash`)
  const wrong = senders.find((sender) => parsePattern(sender) === undefined)
  if (wrong !== undefined)
    throw new Error(`${action}: sender "${wrong}" should be an address, a domain or '*.' and one`)
  await edit(folder, reader, (known, document) => {
    if (known.has(name))
      throw new Error(`${action}: it is there already, change its password or remove it first`)
    const user = senders.length === 0 ? { password: hash } : { password: hash, senders }
    known.set(document.createNode(name), document.createNode(user, { flow: true }))
  })
}

/** The rest of the user stays as it is. Rejects when there is no such user, or the hash is none. */
export async function changePassword(
  folder: string,
  name: string,
  hash: string,
  reader?: number,
): Promise<void> {
  const action = `Cannot change the password of "${name}"`
  if (parseHash(hash) === undefined) throw new Error(`${action}: it is no argon2id hash`)
  await edit(folder, reader, (known) => {
    if (!known.has(name)) throw new Error(`${action}: there is no such user`)
    known.setIn([name, 'password'], hash)
  })
}

/** Rejects when there is no such user. */
export async function removeUser(folder: string, name: string, reader?: number): Promise<void> {
  await edit(folder, reader, (known) => {
    if (!known.delete(name)) throw new Error(`Cannot remove the user "${name}": there is none`)
  })
}

async function edit(
  folder: string,
  reader: number | undefined,
  change: (known: YAMLMap, document: Document) => void,
): Promise<void> {
  const path = await realPath(join(folder, 'policies', 'users.yaml'))
  const before = await stat(path).catch(() => undefined)
  const text = before === undefined ? '' : await readFile(path, 'utf8')
  check(folder, text)
  const document: Document = parseDocument(text)
  const known = isMap(document.contents) ? document.contents : document.createNode({})
  if (known.items.length === 0) known.flow = false // `{}`: from now on, a line a user
  document.contents = known
  change(known, document)
  const after = document.toString({ lineWidth: 0, singleQuote: true, flowCollectionPadding: true })
  check(folder, after)
  await replace(path, after, before, reader)
}

function check(folder: string, text: string): void {
  const findings = createFindings()
  const place = parseFile('users.yaml', text, findings)
  if (place !== undefined) users(place)
  if (errorsOf(findings.list).length > 0) throw new PolicyError(folder, findings.list)
}

// A link stays a link: what it names is replaced.
async function realPath(path: string): Promise<string> {
  return realpath(path).catch(() => path)
}

async function replace(
  path: string,
  text: string,
  before: Stats | undefined,
  reader: number | undefined,
): Promise<void> {
  // A name that begins with a dot is not read as a policy.
  const part = join(dirname(path), `.${basename(path)}.${process.pid}`)
  try {
    await writeAndSync(part, text, modeOf(before))
    await giveAway(part, before ?? (await stat(dirname(path))), reader)
    const now = await stat(path).catch(() => undefined)
    if (now?.mtimeMs !== before?.mtimeMs || now?.ino !== before?.ino)
      throw new Error('somebody else changed it meanwhile, try again')
    await rename(part, path)
    await using folder = await open(dirname(path), 'r')
    await folder.sync() // the new name is data of the folder
  } catch (error) {
    await rm(part, { force: true }).catch(() => {})
    throw new Error(`Cannot write "${path}": ${(error as Error).message}`, { cause: error })
  }
}

// Hashes of passwords are their owner's, and of a group that somebody has chosen: by shutting out all others,
// or by giving it a file of root's.
function modeOf(before: Stats | undefined): number {
  if (before === undefined) return 0o600
  if ((before.mode & 0o007) === 0) return before.mode & 0o660
  return before.uid === 0 && before.gid !== 0 ? 0o600 | (before.mode & 0o040) : 0o600
}

async function writeAndSync(path: string, text: string, mode: number): Promise<void> {
  await using file = await open(path, 'w', 0o600)
  await file.chmod(mode)
  await file.writeFile(text)
  await file.sync()
}

// Root often adds users for a relay that runs as another user, which must be able to read the file; where that
// was one of the others, it is the one whose data folder is named.
async function giveAway(path: string, like: Stats, reader: number | undefined): Promise<void> {
  if (process.getuid?.() !== 0) return
  const isOthers = like.uid === 0 && like.gid === 0 && (like.mode & 0o007) !== 0
  await chown(path, isOthers ? (reader ?? 0) : like.uid, like.gid)
}
