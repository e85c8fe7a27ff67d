import { lstat, readdir, readFile, stat, chmod, chown, rename, symlink } from 'node:fs/promises'
import { expect, test } from 'vitest'
import { addUser, changePassword, removeUser } from '../../src/policy/edit.ts'
import { loadPolicy } from '../../src/policy/load.ts'
import { createFolder } from './folder.ts'

const HASH = '$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4'
const FILE = `# Above all

# Ana's program
ana: { password: '${HASH}', senders: [ ana.example ] } # since spring
# Bo's
bo:
  password: ${HASH}
`

test('a first user makes the file, which nobody else may read', async () => {
  await using folder = await createFolder()
  await addUser(folder.path, 'billing', HASH, ['billing.example', '*.x.example', 'a@b.example'])
  expect((await stat(folder.pathOf('users.yaml'))).mode & 0o777).toBe(0o600)
  const policy = await loadPolicy(folder.path, {})
  expect(policy.users).toEqual([
    {
      name: 'billing',
      password: HASH,
      senders: ['billing.example', '*.x.example', 'a@b.example'],
      at: 'users.yaml:1',
    },
  ])
})

test('an edit keeps comments, mode and the other users', async () => {
  await using folder = await createFolder({ 'users.yaml': FILE })
  await chmod(folder.pathOf('users.yaml'), 0o640)
  await addUser(folder.path, 'cy', HASH, [])
  const text = await readFile(folder.pathOf('users.yaml'), 'utf8')
  expect(text).toBe(`${FILE}cy: { password: '${HASH}' }\n`)
  expect((await stat(folder.pathOf('users.yaml'))).mode & 0o777).toBe(0o640)
  expect(await readdir(`${folder.path}/policies`)).toEqual(['users.yaml'])
  await removeUser(folder.path, 'cy')
  expect(await readFile(folder.pathOf('users.yaml'), 'utf8')).toBe(FILE)
})

test('a changed password leaves senders and comments as they were', async () => {
  await using folder = await createFolder({ 'users.yaml': FILE })
  const other = HASH.replace('c29tZXNhbHQ', 'b3RoZXJzYWx0')
  await changePassword(folder.path, 'ana', other)
  expect(await readFile(folder.pathOf('users.yaml'), 'utf8')).toBe(FILE.replace(HASH, other))
  await expect(changePassword(folder.path, 'eve', HASH)).rejects.toThrow('there is no such user')
  await expect(changePassword(folder.path, 'ana', 'secret')).rejects.toThrow('no argon2id hash')
})

test.runIf(process.getuid?.() === 0)('what root edits stays the relay’s own', async () => {
  await using folder = await createFolder({ 'users.yaml': FILE })
  await chown(folder.pathOf('users.yaml'), 1234, 1235)
  await addUser(folder.path, 'cy', HASH, [])
  const { uid, gid } = await stat(folder.pathOf('users.yaml'))
  expect([uid, gid]).toEqual([1234, 1235])
})

test('a file that is a link stays one', async () => {
  await using folder = await createFolder({ 'users.yaml': FILE })
  await rename(folder.pathOf('users.yaml'), folder.pathOf('real'))
  await symlink(folder.pathOf('real'), folder.pathOf('users.yaml'))
  await addUser(folder.path, 'cy', HASH, [])
  expect((await lstat(folder.pathOf('users.yaml'))).isSymbolicLink()).toBe(true)
  expect((await loadPolicy(folder.path, {})).user('cy')).toBeDefined()
})

test('users can be taken away and come back', async () => {
  await using folder = await createFolder()
  for (const name of ['007', 'true', 'null', 'ana@x.example', 'é']) {
    await addUser(folder.path, name, HASH, ['*'])
    expect((await loadPolicy(folder.path, {})).user(name)?.name).toBe(name)
    await removeUser(folder.path, name)
    expect((await loadPolicy(folder.path, {})).users).toEqual([])
  }
})

const refused: [what: string, name: string, hash: string, senders: string[], message: RegExp][] = [
  ['a name that is taken', 'ana', HASH, [], /"ana": it is there already/],
  ['an empty name', '', HASH, [], /name should be/],
  ['the star', '*', HASH, [], /name should be/],
  ['a name with a line end', 'x\ny', HASH, [], /name should be/],
  ['a name with a space', 'x y', HASH, [], /name should be/],
  ['__proto__', '__proto__', HASH, [], /name should be/],
  ['a password in clear', 'cy', 'secret', [], /password is no argon2id hash$/],
  ['a sender that is none', 'cy', HASH, ['x@@y'], /sender "x@@y" should be an address/],
]

for (const [what, name, hash, senders, message] of refused) {
  test(`${what} is refused, and the file stays as it was`, async () => {
    await using folder = await createFolder({ 'users.yaml': FILE })
    await expect(addUser(folder.path, name, hash, senders)).rejects.toThrow(message)
    expect(await readFile(folder.pathOf('users.yaml'), 'utf8')).toBe(FILE)
  })
}

test('who is not there cannot be removed', async () => {
  await using folder = await createFolder({ 'users.yaml': FILE })
  await expect(removeUser(folder.path, 'cy')).rejects.toThrow('Cannot remove the user "cy"')
})

test('a file with a mistake is not edited', async () => {
  await using folder = await createFolder({ 'users.yaml': 'ana: { pasword: x }' })
  await expect(addUser(folder.path, 'cy', HASH, [])).rejects.toThrow('users.yaml:1: "pasword"')
})

test('hashes are written for the owner alone, and for a group that somebody has chosen', async () => {
  const cases: [before: number, after: number][] = [
    [0o644, 0o600],
    [0o666, 0o600],
    [0o640, 0o640],
    [0o600, 0o600],
  ]
  for (const [before, after] of cases) {
    await using folder = await createFolder({ 'users.yaml': FILE })
    const path = folder.pathOf('users.yaml')
    await chmod(path, before)
    const mask = process.umask(0)
    await addUser(folder.path, 'cy', HASH, []).finally(() => process.umask(mask))
    expect([before, (await stat(path)).mode & 0o777]).toEqual([before, after])
  }
})

test.runIf(process.getuid?.() === 0)(
  'a file that root wrote and all could read is still read by the relay of another user',
  async () => {
    await using folder = await createFolder({ 'users.yaml': FILE })
    const path = folder.pathOf('users.yaml')
    await chmod(path, 0o644)
    await addUser(folder.path, 'cy', HASH, [], 1234)
    const { uid, mode } = await stat(path)
    expect([uid, mode & 0o777]).toEqual([1234, 0o600])
    await chown(path, 0, 1235)
    await chmod(path, 0o644)
    await removeUser(folder.path, 'cy', 1234)
    expect((await stat(path)).mode & 0o777).toBe(0o640)
  },
)
