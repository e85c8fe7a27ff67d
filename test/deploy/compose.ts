// docker-compose.yml as Compose reads it: variables put in, anchors merged, words of the command apart.
// There is no engine to ask, so what it would refuse or mistake is looked for in the text.

import { readFileSync } from 'node:fs'
import { parse } from 'yaml'
import type { Environment } from '../../src/settings/settings.ts'

export interface Service {
  readonly build?: string
  readonly image?: string
  readonly command?: string | readonly string[]
  readonly user?: string
  readonly environment?: Readonly<Record<string, string>>
  readonly ports?: readonly string[]
  readonly volumes?: readonly string[]
  readonly tmpfs?: readonly string[]
  readonly profiles?: readonly string[]
  readonly restart?: string
  readonly read_only?: boolean
  readonly cap_drop?: readonly string[]
  readonly cap_add?: readonly string[]
  readonly security_opt?: readonly string[]
  readonly privileged?: boolean
  readonly container_name?: string
  readonly stop_grace_period?: string
  readonly healthcheck?: { readonly test?: readonly string[]; readonly disable?: boolean }
  readonly depends_on?: Readonly<Record<string, { readonly condition: string }>>
}

export interface Compose {
  readonly services: Readonly<Record<string, Service>>
  readonly volumes: Readonly<Record<string, unknown>>
}

export const TEXT = textOf('docker-compose.yml')

/** A file of the top folder. */
export function textOf(name: string): string {
  return readFileSync(new URL(`../../${name}`, import.meta.url), 'utf8')
}

/** Throws what Compose would say when a variable is missing that must be set. */
export function readCompose(environment: Environment): Compose {
  const written: unknown = parse(TEXT, { merge: true })
  return JSON.parse(JSON.stringify(written), (_, value: unknown) =>
    typeof value === 'string' ? substituted(value, environment) : value,
  ) as Compose
}

/** `${NAME:-default}` and `${NAME:?what to do}`, for which an empty one counts as missing. */
function substituted(text: string, environment: Environment): string {
  return text.replace(
    /\$\{(\w+):([-?])([^}]*)\}/g,
    (_, name: string, sign: string, rest: string) => {
      const value = environment[name] ?? ''
      if (value === '' && sign === '?') throw new Error(rest)
      return value === '' ? rest : value
    },
  )
}

/** `--name value …` as redis.conf has them. */
export function redisSettings({ command }: Service): Record<string, string> {
  const words = String(command).match(/"[^"]*"|\S+/g) ?? []
  const settings: Record<string, string> = {}
  for (let at = 1; at < words.length; at += 2)
    settings[words[at]!.replace(/^--/, '')] = (words[at + 1] ?? '').replaceAll('"', '')
  return settings
}

/** What the image sets, and the relay then reads. */
export function imageEnvironment(): Record<string, string> {
  const lines = textOf('Dockerfile').matchAll(/^ENV (.+)$/gm)
  const words = [...lines].flatMap(([, line = '']) => line.split(/\s+/))
  return Object.fromEntries(words.map((word) => word.split('=') as [string, string]))
}
