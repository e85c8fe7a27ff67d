import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { SHIPPED } from '../../src/policy/config.ts'
import { waypost } from './run.ts'

let folder = ''
let own = ''
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'waypost-init-'))
  own = join(folder, 'data/config')
})
afterEach(() => rm(folder, { recursive: true, force: true }))

test('init writes a sound configuration, and says what to do next', async () => {
  const made = await waypost('init', { config: SHIPPED, own })
  expect(made).toMatchObject({ code: 0, err: '' })
  expect(made.out).toContain(`Wrote ${own}: policies/ and queues/`)
  expect(made.out).toContain(`${own}/policies/routing.yaml`)
  const check = await waypost('policy check', { config: own })
  expect(check.out).toBe(`The policies in "${own}" are in order\n`)
})

test('init into another folder says which setting makes it count', async () => {
  const there = join(folder, 'there')
  const made = await waypost(['init', there], { config: SHIPPED, own })
  expect(made.out).toContain(`It counts where WAYPOST_CONFIG=${there} is set.`)
})

test('init --json names the folder, its files, and whether it counts', async () => {
  const [made] = (await waypost('init --json', { config: SHIPPED, own })).json
  expect(made).toMatchObject({ folder: own, counts: true })
  expect(made!['files']).toEqual(
    expect.arrayContaining(['policies/relay.yaml', 'queues/urgent.yaml']),
  )
})

test('init never writes over anything, and says what is in the way', async () => {
  await waypost('init', { config: SHIPPED, own })
  await writeFile(join(own, 'policies/relay.yaml'), '[]\n')
  const again = await waypost('init', { config: own, own })
  expect(again.code).toBe(1)
  expect(again.err).toContain(`"${own}" has policies/ already, and nothing is ever overwritten`)
  expect(await readFile(join(own, 'policies/relay.yaml'), 'utf8')).toBe('[]\n')
})

test('init where nothing can be written says where and why', async () => {
  await writeFile(join(folder, 'data'), '')
  const made = await waypost('init', { config: SHIPPED, own })
  expect(made.code).toBe(1)
  expect(made.err).toMatch(/Cannot write ".*config": E/)
})

for (const words of ['user add billing --generate', 'key new near.example'])
  test(`${words} leaves what is shipped alone, and says where it wrote`, async () => {
    const before = await shipped()
    const ran = await waypost(words, { config: SHIPPED, own })
    expect(ran.code).toBe(0)
    expect(ran.err).toContain(`Wrote ${own}, a copy of the shipped policies/ and queues/`)
    expect(await shipped()).toEqual(before)
    expect((await waypost('policy check', { config: own })).code).toBe(0)
    const more = await waypost(words.replace('billing', 'ana').replace('near', 'far'), {
      config: own,
    })
    expect(more).toMatchObject({ code: 0, err: '' })
  })

test('key new keeps keys beside the configuration that counts, and names the file to edit', async () => {
  const made = await waypost('key new near.example --selector 1', { config: SHIPPED, own })
  expect((await readdir(join(own, 'keys/near.example'))).sort()).toEqual(['e1.pem', 's1.pem'])
  expect(made.out).toContain(`${own}/policies/signing.yaml`)
})

test('key new where nothing can be written says the file, why, and who could', async () => {
  await waypost('init', { config: SHIPPED, own })
  await writeFile(join(own, 'keys'), '') // root, who runs tests, is kept out by nothing else
  const made = await waypost('key new near.example --selector 1', { config: own })
  expect(made.code).toBe(1)
  expect(made.err).toMatch(/Cannot write ".*s1\.pem": E.*; run this as a user who may write in "/)
})

for (const words of ['user remove nobody', 'user password nobody --generate'])
  test(`${words} writes nothing where there is no such user`, async () => {
    const ran = await waypost(words, { config: SHIPPED, own })
    expect(ran.code).toBe(1)
    expect(ran.err).toMatch(/there is no/)
    expect(await readdir(folder)).toEqual([])
  })

async function shipped(): Promise<string[]> {
  const keys = (await readdir(SHIPPED)).filter((name) => name === 'keys')
  return [...keys, await readFile(join(SHIPPED, 'policies/users.yaml'), 'utf8')]
}
