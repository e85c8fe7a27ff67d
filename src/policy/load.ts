// From a config folder to one immutable policy. Every file is read and every mistake found
// before anything is decided; with one mistake there is no policy.

import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { closest } from '../base/closest.ts'
import { createFindings, errorsOf, PolicyError, sorted } from './findings.ts'
import type { Findings } from './findings.ts'
import { LISTEN_DEFAULTS, listenRules } from './listen.ts'
import type { Finding, Policy, QueueRules } from './policy.ts'
import { DEFAULT_QUEUE, emptyQueue, queueName, queueRules } from './queues.ts'
import { mayRelay, relayRules, reviewRelay } from './relay.ts'
import { createRouter, readSecrets, reviewRouting, reviewSelectors } from './routing.ts'
import { path, route, routingRules } from './routing.ts'
import { codeOf } from './secret.ts'
import type { Environment } from './secret.ts'
import { createShaper, limits, reviewShaping, shapingRules } from './shaping.ts'
import { createSigner, reviewSigning, selectorsOf, signing, signingEntries } from './signing.ts'
import { maySend, users } from './users.ts'
import type { Users } from './users.ts'
import { parseFile, sizeOf } from './yaml.ts'
import type { Place } from './yaml.ts'

const POLICIES = ['listen', 'relay', 'users', 'routing', 'signing', 'shaping'] as const
type PolicyName = (typeof POLICIES)[number]

type FileFact = Policy['files'][number]

/** What one look at the folder gave. */
export interface Loaded {
  /** Absent when there is a mistake. */
  readonly policy: Policy | undefined
  readonly findings: readonly Finding[]
  /** Files outside `policies/` and `queues/` that it depends on: keys and passwords. */
  readonly files: readonly string[]
}

/** Rejects with `PolicyError`, which holds all mistakes at once. */
export async function loadPolicy(folder: string, env: Environment): Promise<Policy> {
  const { policy, findings } = await load(folder, env)
  if (policy === undefined) throw new PolicyError(folder, findings)
  return policy
}

/** All mistakes and doubts, by file and line. */
export async function checkPolicy(folder: string, env: Environment): Promise<Finding[]> {
  return [...(await load(folder, env)).findings]
}

export async function load(folder: string, env: Environment): Promise<Loaded> {
  const findings = createFindings()
  const places = await readPolicies(folder, findings)
  const queues = await readQueues(folder, findings)
  const parts = await readParts(places.place, queues.rules, folder, env)
  const list = sorted(findings.list)
  const files = parts.files
  if (errorsOf(list).length > 0) return { policy: undefined, findings: list, files }
  const facts = [...places.facts, ...queues.facts]
  return { policy: createPolicy(parts, queues.rules, facts, list), findings: list, files }
}

type Parts = Awaited<ReturnType<typeof readParts>>

async function readParts(
  place: (name: PolicyName) => Place | undefined,
  queues: ReadonlyMap<string, QueueRules>,
  folder: string,
  env: Environment,
) {
  const read = <T>(name: PolicyName, reader: (place: Place) => T | undefined): T | undefined => {
    const found = place(name)
    return found === undefined ? undefined : reader(found)
  }
  const known: Users = read('users', users) ?? new Map()
  const relay = read('relay', relayRules) ?? []
  const routing = read('routing', routingRules(new Set(queues.keys()))) ?? []
  const entries = read('signing', signingEntries) ?? []
  const shaping = read('shaping', shapingRules) ?? []
  reviewRelay(relay, new Set(known.keys()))
  reviewRouting(routing)
  reviewSelectors(routing, selectorsOf(entries))
  reviewSigning(entries)
  reviewShaping(shaping)
  const { secrets, files } = await readSecrets(routing, env)
  const keys = await createSigner(entries, folder)
  return {
    listen: read('listen', listenRules) ?? LISTEN_DEFAULTS,
    users: known,
    relay,
    router: createRouter(routing),
    secrets,
    signer: keys.signer,
    shaper: createShaper(shaping),
    files: [...files, ...keys.files],
  }
}

function createPolicy(
  parts: Parts,
  queues: ReadonlyMap<string, QueueRules>,
  files: readonly FileFact[],
  warnings: readonly Finding[],
): Policy {
  const otherwise = queues.get('default') ?? DEFAULT_QUEUE
  return {
    listen: parts.listen,
    files,
    warnings,
    users: [...parts.users.values()].map((known) => known.user),
    mayRelay: (request) => mayRelay(parts.relay, request),
    user: (name) => parts.users.get(name)?.user,
    maySend: (user, sender) => maySend(parts.users, user, sender),
    route: (recipient, sender) => route(parts.router, recipient, sender),
    path: (destination) => path(parts.router, destination),
    secret: (name) => parts.secrets.get(name),
    signing: (from) => signing(parts.signer, from),
    limits: (hosts) => limits(parts.shaper, hosts),
    queues: [...queues.keys()],
    lifetime: Math.min(...[otherwise, ...queues.values()].map(({ giveUpAfter }) => giveUpAfter)),
    queue: (name) => queues.get(name) ?? otherwise,
  }
}

async function readPolicies(folder: string, findings: Findings) {
  const names = await namesIn(folder, 'policies', findings)
  const known = POLICIES.map((name) => `${name}.yaml`)
  for (const name of names.filter((one) => !known.includes(one))) {
    const near = closest(name, known)
    const hint = near === undefined ? `known are ${known.join(', ')}` : `did you mean ${near}`
    findings.error(name, `is no known file of policies/, ${hint}`)
  }
  const places = new Map<PolicyName, Place | undefined>()
  const facts: FileFact[] = []
  for (const policy of POLICIES) {
    const name = `${policy}.yaml`
    const missing = !names.includes(name)
    const place = missing ? undefined : await read(join(folder, 'policies', name), name, findings)
    places.set(policy, place)
    facts.push({ name, rules: place === undefined ? 0 : sizeOf(place), missing })
  }
  return { place: (name: PolicyName) => places.get(name), facts }
}

async function readQueues(folder: string, findings: Findings) {
  const rules = new Map<string, QueueRules>([['default', DEFAULT_QUEUE]])
  const names = await namesIn(folder, 'queues', findings)
  const facts: FileFact[] = []
  for (const file of names) {
    const name = `queues/${file}`
    const queue = queueName(file.replace(/\.yaml$/, ''))
    if (queue === undefined) {
      findings.error(name, 'is no name of a queue, should be small letters, digits, - and _')
      continue
    }
    const place = await read(join(folder, name), name, findings)
    // A queue with a mistake is known all the same: routing shall not be blamed for it.
    const found = place === undefined ? undefined : queueRules(queue, place)
    rules.set(queue, found ?? emptyQueue(queue, name))
    facts.push({ name, rules: place === undefined ? 0 : sizeOf(place), missing: false })
  }
  if (!names.includes('default.yaml'))
    facts.unshift({ name: 'queues/default.yaml', rules: 0, missing: true })
  return { rules, facts }
}

// Names that begin with a dot are editors', Kubernetes' and our own half-written files.
async function namesIn(folder: string, part: string, findings: Findings): Promise<string[]> {
  try {
    const names = (await readdir(join(folder, part))).filter((name) => !name.startsWith('.')).sort()
    for (const name of names.filter((one) => one.endsWith('.yml')))
      findings.error(`${part}/${name}`, `is not read, should be named ${name.slice(0, -4)}.yaml`)
    return names.filter((name) => name.endsWith('.yaml'))
  } catch (error) {
    const what = codeOf(error) === 'ENOENT' ? 'there is no such folder' : codeOf(error)
    const where = `in "${folder}": should be in the folder that WAYPOST_CONFIG names; \`waypost init\` writes it there`
    findings.error(`${part}/`, `${what} ${where}`)
    return []
  }
}

async function read(path: string, name: string, findings: Findings): Promise<Place | undefined> {
  try {
    const text = new TextDecoder('utf-8', { fatal: true }).decode(await readFile(path))
    return parseFile(name, text, findings)
  } catch (error) {
    const what = error instanceof TypeError ? 'it is no UTF-8 text' : codeOf(error)
    findings.error(name, `cannot be read: ${what}`)
    return undefined
  }
}
