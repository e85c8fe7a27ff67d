// The manual and the schemas of the policy files come from the tables that read them. The schemas
// are held against a validator that others wrote, and against what the relay itself says.

import { globSync, readFileSync } from 'node:fs'
import { readFile, writeFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import { Ajv } from 'ajv'
import { describe, expect, test } from 'vitest'
import { parse } from 'yaml'
import { FILES, fileNamed, formOf, rowsOf } from '../../src/policy/manual.ts'
import type { FileManual } from '../../src/policy/manual.ts'
import { schemaOf } from '../../src/policy/schema.ts'

const ROOT = new URL('../../', import.meta.url).pathname
const validators = new Map(FILES.map((file) => [file, new Ajv().compile(schemaOf(file))]))

/** What the schema has against the text; empty: nothing. */
function faults(file: FileManual, text: string): string[] {
  const validate = validators.get(file)!
  validate(parse(text, { uniqueKeys: false, logLevel: 'error' }))
  return (validate.errors ?? []).map(({ instancePath, message }) => `${instancePath} ${message}`)
}

test('policies/KEYS.md tells of every key what the tables say (GOLDEN=write writes it anew)', async () => {
  const path = `${ROOT}policies/KEYS.md`
  const parts = FILES.map((file) => {
    const rows = rowsOf(file).map((row) => {
      const value = row.required
        ? '*must be there*'
        : row.default === undefined
          ? ''
          : `\`${row.default}\``
      return `| \`${row.key}\` | ${row.takes} | ${value} | ${row.says} |\n`
    })
    const head = `## ${file.name}\n\n${file.says.replace(/(?<![.?])$/, '.')} It is ${formOf(file)}; without it: ${file.without}.\n\n`
    return `${head}| key | takes | without it | meaning |\n|---|---|---|---|\n${rows.join('')}`
  })
  const right = `# Every key of the policy files

\`waypost policy explain\` prints this page, and one file or key of it: \`waypost policy explain routing via.tls\`.
\`waypost policy schema routing > routing.schema.json\` writes the JSON Schema of a file. Editors with the YAML language
server take it from a first line such as \`# yaml-language-server: $schema=routing.schema.json\`.

${parts.join('\n')}`
  if (process.env['GOLDEN'] === 'write') await writeFile(path, right)
  else expect(await readFile(path, 'utf8')).toBe(right)
})

describe('the schema', () => {
  for (const path of ['policies/*.yaml', 'queues/*.yaml'].flatMap((each) =>
    globSync(each, { cwd: ROOT }),
  ))
    test(`takes ${path} as it is shipped`, () => {
      expect(faults(fileNamed(path)!, readFileSync(`${ROOT}${path}`, 'utf8'))).toEqual([])
    })

  test.for([
    ['routing', '- { to: [far.example], via: { host: mx.far.example, port: 587, tls: verified } }'],
    ['routing', "- { via: mx, from: ['*.near.example'], queue: bulk, sign: [s2026] }"],
    ['routing', '[]'],
    ['relay', '- allow: { clients: [192.0.2.0/24], users: [bo] }'],
    [
      'users',
      'bo: { password: "$argon2id$v=19$m=1,t=1,p=1$c2FsdHNhbHQ$aGFzaA", senders: [near.example] }',
    ],
    ['signing', '- { domains: [near.example], keys: [{ selector: s2026, file: keys/rsa.pem }] }'],
    ['listen', 'size: 1.5gb\ndeadlines: { idle: 90s }'],
    ['shaping', "- { mx: ['*.far.example'], connections: 5 }"],
    ['queues', ''],
  ] as const)('of %s takes %s', ([name, text]) => {
    expect(faults(fileNamed(name)!, text)).toEqual([])
  })

  test.for([
    ['routing', '- { via: { hots: mx.far.example } }'],
    ['routing', '- { via: smtp }'],
    ['routing', '- { queue: bulk }'],
    ['routing', '- { via: mx, sign: [] }'],
    ['routing', '- { via: { host: mx.far.example, port: 70000 } }'],
    ['relay', 'allow: { clients: [192.0.2.0/24] }'],
    ['users', 'bo: { password: secret }'],
    ['listen', 'size: 50'],
    ['listen', 'deadlines: { idle: 90 }'],
    ['shaping', '- { default: yes please }'],
    ['queues', 'retry: 5m'],
  ] as const)('of %s refuses %s', ([name, text]) => {
    expect(faults(fileNamed(name)!, text)).not.toEqual([])
  })

  test('leaves to `waypost policy check` what needs a second look: other keys, files, notation', () => {
    const broken = `${ROOT}test/broken/`
    const unseen = globSync('*/*.yaml', { cwd: broken }).filter((path) => {
      try {
        return (
          faults(fileNamed(dirname(path))!, readFileSync(`${broken}${path}`, 'utf8')).length === 0
        )
      } catch {
        return false // It is no YAML, as editors know without a schema.
      }
    })
    expect(unseen.sort()).toEqual([
      'relay/tag.yaml',
      'relay/twice.yaml',
      'routing/no-queue-file.yaml',
      'routing/password.yaml',
      'routing/unverified-password.yaml',
      'signing/keys.yaml',
      'users/costly.yaml',
      'users/senders.yaml',
    ])
  })
})
