// The Dockerfile and the systemd unit: the Node that the tests ran on, a user without rights, and nothing that
// fits one kind of machine alone.

import { expect, test } from 'vitest'
import lock from '../../package-lock.json' with { type: 'json' }
import metadata from '../../package.json' with { type: 'json' }
import { PROCESS } from '../../src/settings/process.ts'
import { QUEUE } from '../../src/settings/queue.ts'
import { readSettings, TABLE } from '../../src/settings/settings.ts'
import { imageEnvironment, textOf } from './compose.ts'

interface Package {
  readonly version: string
  readonly dev?: boolean
  readonly optional?: boolean
  readonly os?: readonly string[]
  readonly cpu?: readonly string[]
}

const dockerfile = textOf('Dockerfile')
const last = dockerfile.slice(dockerfile.lastIndexOf('\nFROM'))
const unit = textOf('scripts/waypost.service')

test('both stages have the Node that the project pins', () => {
  const bases = [...dockerfile.matchAll(/^FROM (?:--platform=\S+ )?(\S+)/gm)].map(
    ([, base]) => base,
  )
  const pinned = `node:${metadata.devDependencies.node}-bookworm-slim`
  expect(bases).toEqual([pinned, pinned])
})

test('the relay runs as a user without rights, and hears SIGTERM itself', () => {
  expect(last.match(/^USER .+/gm)).toEqual(['USER node'])
  expect(last).toContain('\nSTOPSIGNAL SIGTERM\n')
  // In this form there is no shell between the signal and the relay.
  expect(last).toContain('\nCMD ["waypost", "start"]\n')
  expect(imageEnvironment()).toEqual({
    [PROCESS.config.from]: '/etc/waypost',
    [QUEUE.data.from]: '/var/lib/waypost',
  })
  expect(last).toContain('install -d -o node -g node -m 0700 /var/lib/waypost /etc/waypost')
})

test('the image has the configuration that init writes, as the user who may change it', () => {
  expect(last).toMatch(/\nUSER node\n(#.*\n)*RUN waypost init\n/)
  expect(last).not.toMatch(/COPY.*(policies|queues)/)
})

test('the image has no package that fits one kind of machine alone', () => {
  expect(dockerfile).toMatch(/npm prune --omit=dev --omit=optional /)
  expect(dockerfile).not.toMatch(/amd64|arm64|x86|x64|apt-get/)
  const packages: [name: string, about: Package][] = Object.entries(lock.packages)
  const native = packages.filter(([, { os, cpu }]) => os !== undefined || cpu !== undefined)
  expect(native.length).toBeGreaterThan(0)
  expect(native.filter(([, { dev, optional }]) => !dev && !optional)).toEqual([])
})

test('no key and no queue of this machine gets into the image', () => {
  const left = textOf('.dockerignore').split('\n')
  for (const name of ['keys', 'data', 'config', 'tls', '.env', '*.pem', 'node_modules'])
    expect(left).toContain(name)
  expect(dockerfile).not.toMatch(/^COPY \. /m)
})

test('under systemd the relay may end what it began, and waits for a Redis that is late', () => {
  const timeout = Number(/^TimeoutStopSec=(\d+)$/m.exec(unit)?.[1]) * 1000
  expect(timeout).toBeGreaterThan(readSettings({}).process.drain)
  // By default systemd gives up after five starts in ten seconds.
  expect(unit).toMatch(/^StartLimitIntervalSec=0$/m)
  expect(unit).toMatch(/^Restart=always$/m)
  // What a start with wrong settings or policies ends with: again and again would only fill the journal.
  expect(unit).toMatch(/^RestartPreventExitStatus=2$/m)
  expect(unit).toMatch(/^User=waypost$/m)
  const known: string[] = TABLE.map(({ from }) => from)
  for (const name of unit.match(/WAYPOST_\w+/g) ?? []) expect(known).toContain(name)
})
