// The set-ups of docker-compose.yml: what each container runs with, and that it can neither do nor lose more
// than it should.

import { expect, test } from 'vitest'
import { parseDuration } from '../../src/base/units.ts'
import { readSettings, TABLE, type Settings } from '../../src/settings/settings.ts'
import { imageEnvironment, readCompose, TEXT, textOf, type Service } from './compose.ts'

const { services, volumes } = readCompose({ WAYPOST_HOSTNAME: 'relay.example.com' })
const SHARED = ['listener', 'worker']
const RELAYS = [...SHARED, 'relay']

test('without a host name nothing starts', () => {
  expect(() => readCompose({})).toThrow('set WAYPOST_HOSTNAME')
})

test('every variable that is named is a setting', () => {
  const known: string[] = TABLE.map(({ from }) => from)
  for (const text of [TEXT, textOf('Dockerfile')]) {
    const names = text.match(/WAYPOST_\w+/g) ?? []
    expect(names.length).toBeGreaterThan(1)
    for (const name of names) expect(known).toContain(name)
  }
})

test('every image is an exact version', () => {
  const images = Object.values(services).flatMap(({ image }) => image ?? [])
  expect(images).toHaveLength(1)
  for (const image of images) expect(image).toMatch(/^[^:]+:\d+\.\d+\.\d+(-[a-z0-9.]+)?$/)
})

test('a plain start has Redis, a listener and a worker, and nothing else', () => {
  const plain = Object.entries(services).filter(([, { profiles }]) => profiles === undefined)
  expect(plain.map(([name]) => name)).toEqual(['redis', ...SHARED])
  expect(Object.keys(services)).toEqual(['redis', ...RELAYS, 'sink'])
})

for (const [name, service] of Object.entries(services))
  test(`${name} has no rights, writes nowhere but in its volumes, and comes back by itself`, () => {
    expect(service).toMatchObject({
      read_only: true,
      cap_drop: ['ALL'],
      security_opt: ['no-new-privileges:true'],
      restart: 'unless-stopped',
    })
    expect(service.cap_add).toBeUndefined()
    expect(service.privileged).toBeUndefined()
    // Ours is a user without rights by the Dockerfile.
    if (service.build === undefined) expect(service.user).toMatch(/^[a-z]/)
    if (service.build === undefined) expect(service.user).not.toBe('root')
    else expect(service).toMatchObject({ build: '.', tmpfs: ['/tmp'] })
  })

for (const name of RELAYS) {
  const service = services[name]!
  const settings = settingsOf(service)

  test(`${name} reads its settings without a doubt`, () => {
    expect(settings.warnings).toEqual([])
  })

  test(`${name} shares a configuration that commands can change, and never that of the checkout`, () => {
    const mounts = service.volumes!.filter((mount) => !mount.startsWith('queue:'))
    expect(mounts).toEqual([`config:${settings.process.config}`, './tls:/tls:ro'])
  })

  test(`${name} takes mail from inside without a password, and from outside where its port leads`, () => {
    expect(settings.listen.listen).toMatchObject([
      { scheme: 'smtp', host: '127.0.0.1' },
      { scheme: 'smtp', host: '0.0.0.0' },
    ])
    for (const port of (service.ports ?? []).filter((each) => !each.endsWith(':8025')))
      expect(port.split(':').at(-1)).toBe(String(settings.listen.listen[1]!.port))
  })

  test(`${name} may end what it began`, () => {
    expect(parseDuration(service.stop_grace_period!)).toBeGreaterThan(settings.process.drain)
  })

  test(`${name} is healthy when it says that it is ready`, () => {
    const [kind, program, , script] = service.healthcheck!.test!
    expect([kind, program]).toEqual(['CMD', 'node'])
    expect(script).toContain(`fetch('http://127.0.0.1:${settings.http.admin!.port}/readyz')`)
    expect(settings.http.admin!.host).toBe('0.0.0.0')
  })
}

for (const name of SHARED)
  test(`${name} waits for Redis, keeps nothing itself, and can be scaled`, () => {
    const service = services[name]!
    const { queue, process, delivery } = settingsOf(service)
    expect(queue.redis?.address).toMatchObject({
      kind: 'server',
      hosts: [{ host: 'redis', port: 6379 }],
    })
    expect(delivery.source).toBe(process.hostname)
    expect(service.depends_on).toEqual({ redis: { condition: 'service_healthy' } })
    expect(service.volumes).toHaveLength(2)
    expect(service.container_name).toBeUndefined()
    for (const port of service.ports ?? []) expect(hostPorts(port)).toBeGreaterThan(1)
  })

test('a listener takes mail in where its ports lead, a worker takes it out', () => {
  const listener = settingsOf(services['listener']!)
  expect(listener.process.roles).toEqual(['listen', 'admin'])
  expect(settingsOf(services['worker']!).process.roles).toEqual(['deliver', 'admin'])
  expect(services['listener']!.ports).toEqual(['2525-2534:2525'])
  expect(services['worker']!.ports).toBeUndefined()
})

test('a folder of the machine can hold the configuration in place of the volume', () => {
  const { services: named } = readCompose({ WAYPOST_HOSTNAME: 'a.example.com', CONFIG: './config' })
  for (const name of RELAYS) expect(named[name]!.volumes).toContain('./config:/etc/waypost')
})

test('a machine behind a shared address says its source', () => {
  const named = readCompose({ WAYPOST_HOSTNAME: 'a.example.com', WAYPOST_SOURCE: '192.0.2.1' })
  expect(settingsOf(named.services['worker']!).delivery.source).toBe('192.0.2.1')
})

test('the single relay keeps its queue in a volume', () => {
  const { volumes: mounts, ports } = services['relay']!
  const { queue, process, listen } = settingsOf(services['relay']!)
  expect(queue.redis).toBeUndefined()
  expect(process.roles).toEqual(['listen', 'deliver', 'admin'])
  expect(mounts![0]).toBe(`queue:${queue.data}`)
  expect(Object.keys(volumes)).toEqual(['redis', 'queue', 'config'])
  expect(ports).toEqual([`2525:${listen.listen[1]!.port}`, '127.0.0.1:8025:8025'])
})

function settingsOf({ environment }: Service): Settings {
  return readSettings({ ...imageEnvironment(), ...environment })
}

/** How many ports of the machine "2525-2534:2525" has to choose from. */
function hostPorts(port: string): number {
  const [first = 0, last = first] = port.split(':').at(-2)!.split('-').map(Number)
  return last - first + 1
}
