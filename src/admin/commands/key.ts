// `waypost key new|check`: signing keys, and whether DNS publishes them.

import { stat } from 'node:fs/promises'
import { join } from 'node:path'
import { InvalidArgumentError, type Command } from 'commander'
import { printable } from '../../base/escape.ts'
import type { Resolver } from '../../dns/resolver.ts'
import { parseDomain, type Domain } from '../../mail/address.ts'
import type { Signing, SigningKey } from '../../policy/policy.ts'
import { CommandError, type Context } from '../context.ts'
import {
  matchRecords,
  newKey,
  readKeys,
  recordText,
  storeKey,
  zoneLine,
  type KeyKind,
  type KeyMatch,
} from '../cli/dkim-keys.ts'
import { ownConfig, shortest } from '../cli/own-config.ts'
import { jsonLine } from '../story/plain.ts'
import { command, type Act } from '../cli/program.ts'

export function addKeys(key: Command, act: Act): void {
  command(
    key,
    'new <domain>',
    'Make an RSA and an Ed25519 key, and say what to publish',
    'key new example.com',
  )
    .option(
      '--selector <name>',
      'selectors are s and e before it (the year: s2026, e2026)',
      readSelector,
    )
    .action(act(makeKeys))
  command(
    key,
    'check <domain>',
    'Does DNS publish the keys that sign for a domain?',
    'key check example.com',
  ).action(act(checkKeys))
}

interface NewKey {
  readonly kind: KeyKind
  readonly selector: string
  readonly file: string
}

async function makeKeys(
  context: Context,
  name: string,
  options: { selector?: string; json?: true },
): Promise<number> {
  const domain = domainOf(name)
  const config = await ownConfig(context)
  const suffix = options.selector ?? String(new Date(context.clock.now()).getUTCFullYear())
  const keys = [plan('rsa', `s${suffix}`, domain), plan('ed25519', `e${suffix}`, domain)]
  for (const { file } of keys) await refuseExisting(join(config, file))
  const records: string[] = []
  for (const { kind, selector, file } of keys) {
    const key = await newKey(kind)
    await storeKey(config, file, key)
    const text = recordText(key)
    records.push(zoneLine(selector, domain, text))
    if (options.json === true)
      context.print(
        jsonLine({
          domain,
          selector,
          algorithm: kind,
          file,
          name: `${selector}._domainkey.${domain}`,
          txt: text,
        }),
      )
  }
  if (options.json !== true) context.print(instructions(config, domain, keys, records))
  return 0
}

function plan(kind: KeyKind, selector: string, domain: Domain): NewKey {
  return { kind, selector, file: `keys/${domain}/${selector}.pem` }
}

async function refuseExisting(path: string): Promise<void> {
  const found = await stat(path).catch(() => undefined)
  if (found === undefined) return
  throw new CommandError(
    `"${path}" is there already and is never overwritten; choose another name with --selector`,
  )
}

function instructions(
  config: string,
  domain: Domain,
  keys: readonly NewKey[],
  records: readonly string[],
): string {
  const files = keys.map(({ selector, file }) => `{ selector: ${selector}, file: ${file} }`)
  return `Made ${keys.map(({ file }) => file).join(' and ')} in ${printable(shortest(config))}

1. Publish these records in DNS (a web form takes the text without quotes, its parts joined):

${records.join('\n\n')}

2. When \`waypost key check ${domain}\` says that they match, put this into
   ${printable(shortest(join(config, 'policies/signing.yaml')))}; it takes effect without a restart:

- domains: [${domain}]
  keys:
    - ${files.join('\n    - ')}
`
}

async function checkKeys(
  context: Context,
  name: string,
  options: { json?: true },
): Promise<number> {
  const domain = domainOf(name)
  const { dns } = context.places()
  const signing = await signingOf(context, domain)
  const { createResolver } = await import('../../dns/resolver.ts')
  const { clock } = context
  const resolver = createResolver({ clock, ...(dns === undefined ? {} : { server: dns }) })
  let wrong = 0
  for (const key of signing.keys) {
    const at = `${key.selector}._domainkey.${signing.domain}`
    const match = await lookUp(resolver, at, key)
    if (match.kind !== 'matches') wrong++
    context.print(formatMatch(at, key, match, options.json === true))
  }
  return wrong > 0 ? 1 : 0
}

type Keys = Pick<Signing, 'domain' | 'keys'>

/** The keys that sign for a domain; before any do, those that were made for it. */
async function signingOf(context: Context, domain: Domain): Promise<Keys> {
  const { config } = context.places()
  const { loadPolicy } = await import('../../policy/load.ts')
  const signing = (await loadPolicy(config, context.environment)).signing([domain])
  if (signing !== undefined && signing.keys.length > 0) return signing
  const keys = await readKeys(join(config, 'keys', domain))
  if (keys.length > 0) {
    context.complain(`No entry of policies/signing.yaml signs for ${domain} yet\n`)
    return { domain, keys }
  }
  throw new CommandError(
    `No entry of policies/signing.yaml signs for ${domain}; \`waypost key new ${domain}\` makes keys and says what to write`,
  )
}

async function lookUp(
  resolver: Resolver,
  name: string,
  { key }: SigningKey,
): Promise<KeyMatch | { readonly kind: 'unknown'; readonly note: string }> {
  const answer = await resolver.query('TXT', name)
  if (answer.kind === 'records') return matchRecords(key, answer.records)
  if (answer.kind !== 'trouble') return matchRecords(key, [])
  const note = `DNS gave no answer (${answer.reason}); try again, or set WAYPOST_DNS`
  return { kind: 'unknown', note }
}

function formatMatch(
  name: string,
  { selector, algorithm, key }: SigningKey,
  match: Awaited<ReturnType<typeof lookUp>>,
  json: boolean,
): string {
  const { kind, note } = match
  if (json) return jsonLine({ name, selector, algorithm, result: kind, note: note ?? null })
  const publish =
    kind === 'matches' || kind === 'unknown' ? '' : `    should be: ${recordText(key)}\n`
  const said = note === undefined ? '' : `: ${note}`
  return `${printable(`${name} ${algorithm} ${kind}${said}`)}\n${publish}`
}

/** The domain becomes a folder's name: nothing but a domain may. */
function domainOf(text: string): Domain {
  const domain = parseDomain(text)
  if (domain === undefined || domain.startsWith('['))
    throw new CommandError(`"${text}" is no domain, write one such as example.com`, 2)
  return domain
}

function readSelector(text: string): string {
  if (!/^[a-z0-9]([a-z0-9-]{0,30}[a-z0-9])?$/.test(text))
    throw new InvalidArgumentError('Write letters, digits and hyphens, such as 2026b.')
  return text
}
