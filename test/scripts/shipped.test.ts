// What a package and an image carry: the project's own configuration, and nobody else's.

import { execFileSync } from 'node:child_process'
import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { copyShipped } from '../../scripts/shipped.ts'

const ROOT = join(import.meta.dirname, '../..')
const USER = "billing: { password: '$argon2id$…' }\n"
const SINK = "- { to: ['*'], via: { host: 127.0.0.1, port: 2526, tls: none } }\n"

let folder = ''
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'waypost-shipped-'))
  for (const part of ['policies', 'queues'])
    cpSync(join(ROOT, part), join(folder, part), { recursive: true })
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

test('from a checkout goes what was committed, and whoever edited it is told', () => {
  git('init', '--quiet')
  git('add', '.')
  git('-c', 'user.name=ana', '-c', 'user.email=ana@near.example', 'commit', '--quiet', '-m', 'x')
  const shipped = read('policies/users.yaml')
  writeFileSync(join(folder, 'policies/users.yaml'), USER)
  writeFileSync(join(folder, 'policies/routing.yaml'), SINK)
  writeFileSync(join(folder, 'queues/mine.yaml'), 'priority: 5\n')
  let told = ''
  copyShipped(folder, join(folder, 'to'), (text) => (told += text))
  expect(read('to/policies/users.yaml')).toBe(shipped)
  expect(read('to/policies/routing.yaml')).not.toContain('2526')
  expect(existsSync(join(folder, 'to/queues/mine.yaml'))).toBe(false)
  expect(existsSync(join(folder, 'to/queues/default.yaml'))).toBe(true)
  for (const name of ['policies/users.yaml', 'policies/routing.yaml', 'queues/mine.yaml'])
    expect(told).toContain(name)
})

test('without Git the folders go as they are', () => {
  copyShipped(folder, join(folder, 'to'), (text) => expect.fail(text))
  expect(read('to/policies/relay.yaml')).toBe(read('policies/relay.yaml'))
})

for (const [name, text] of [
  ['users', USER],
  ['signing', '- { domains: [near.example], keys: [{ selector: s1, file: keys/s1.pem }] }\n'],
])
  test(`without Git nobody’s ${name}.yaml goes along`, () => {
    writeFileSync(join(folder, `policies/${name}.yaml`), text!)
    const copy = (): void => copyShipped(folder, join(folder, 'to'), () => {})
    expect(copy).toThrow(`policies/${name}.yaml would be shipped to everybody`)
  })

function read(name: string): string {
  return readFileSync(join(folder, name), 'utf8')
}

function git(...words: string[]): void {
  execFileSync('git', ['-C', folder, ...words])
}
