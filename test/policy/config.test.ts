import { mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { systemClock } from '../../src/base/clock.ts'
import { configInForce, followConfig, SHIPPED } from '../../src/policy/config.ts'
import { writeConfig } from '../../src/policy/copy.ts'
import { watchPolicy } from '../../src/policy/watch.ts'
import { configPlaces, readSettings } from '../../src/settings/settings.ts'
import { PATIENCE } from '../peers/patience.ts'

let folder = ''
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'waypost-config-'))
})
afterEach(() => rm(folder, { recursive: true, force: true }))

const places = () => ({ own: join(folder, 'data/config'), shipped: SHIPPED })

test('what is shipped counts until there is a configuration in the data folder', async () => {
  expect(configInForce(places())).toBe(SHIPPED)
  await writeConfig(places().own)
  expect(configInForce(places())).toBe(places().own)
})

test('WAYPOST_CONFIG alone decides where it is set', async () => {
  const data = join(folder, 'data')
  await writeConfig(join(data, 'config'))
  const settings = readSettings({ WAYPOST_DATA: data, WAYPOST_CONFIG: join(folder, 'mine') })
  expect(configInForce(configPlaces(settings))).toBe(join(folder, 'mine'))
  const others = readSettings({ WAYPOST_DATA: data })
  expect(configInForce(configPlaces(others))).toBe(join(data, 'config'))
})

test('a configuration is written whole: every file that is shipped, for its owner to read', async () => {
  const names = await writeConfig(places().own)
  for (const part of ['policies', 'queues']) {
    const written = await readdir(join(places().own, part))
    const yaml = (await readdir(join(SHIPPED, part))).filter((name) => name.endsWith('.yaml'))
    expect(written).toEqual(expect.arrayContaining([...yaml, 'README.md']))
    expect(names.filter((name) => name.startsWith(part))).toHaveLength(written.length)
  }
  const relay = 'policies/relay.yaml'
  expect(await readFile(join(places().own, relay))).toEqual(await readFile(join(SHIPPED, relay)))
  expect(await modeOf('data')).toBe(0o700)
  expect((await modeOf('data/config')) & 0o007).toBe(0)
  expect(await modeOf('data/config/policies/users.yaml')).toBe(0o600)
})

test('nothing is written over, and nothing half stays behind', async () => {
  await writeConfig(folder)
  await writeFile(join(folder, 'policies/relay.yaml'), '[]\n')
  await rm(join(folder, 'queues'), { recursive: true })
  await expect(writeConfig(folder)).rejects.toThrow('ENOTEMPTY')
  expect(await readFile(join(folder, 'policies/relay.yaml'), 'utf8')).toBe('[]\n')
  expect((await readdir(folder)).sort()).toEqual(['policies', 'queues'])
})

test.skipIf(process.getuid?.() !== 0)(
  'what root writes belongs to the owner of the folder that it is written into',
  async () => {
    const { chown } = await import('node:fs/promises')
    await mkdir(join(folder, 'data'))
    await chown(join(folder, 'data'), 4242, 4243)
    await writeConfig(places().own)
    for (const name of ['', 'policies', 'policies/users.yaml', 'queues/default.yaml'])
      expect(await stat(join(places().own, name))).toMatchObject({ uid: 4242, gid: 4243 })
  },
)

test('a running relay goes over to the first configuration that is written, and never back', async () => {
  const problems: unknown[] = []
  const pace = { clock: systemClock, look: 30, settle: 10 }
  await using source = await watchPolicy(
    followConfig(places()),
    {},
    (error) => problems.push(error),
    pace,
  )
  expect(source.folder()).toBe(SHIPPED)
  await writeConfig(places().own)
  await vi.waitFor(() => expect(source.folder()).toBe(places().own), { timeout: PATIENCE })
  await writeFile(join(places().own, 'policies/listen.yaml'), 'recipients: 7\n')
  await vi.waitFor(() => expect(source.current().listen.recipients).toBe(7), { timeout: PATIENCE })
  expect(problems).toEqual([])
  await rm(places().own, { recursive: true })
  await vi.waitFor(() => expect(String(problems.at(-1))).toContain('there is no such folder'), {
    timeout: 8000,
  })
  expect(source.current().listen.recipients).toBe(7)
})

async function modeOf(name: string): Promise<number> {
  return (await stat(join(folder, name))).mode & 0o777
}
