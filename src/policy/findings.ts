// Mistakes and doubts, collected over all files of one load, so that an operator
// sees every one of them at once, in the order of files and lines.

import { printable } from '../base/escape.ts'
import type { At, Finding } from './policy.ts'

export interface Findings {
  readonly list: readonly Finding[]
  error(at: At, text: string): void
  warning(at: At, text: string): void
}

/** The policies cannot be used; the message has one line for each mistake: `relay.yaml:12: …`. */
export class PolicyError extends Error {
  readonly findings: readonly Finding[]
  constructor(folder: string, findings: readonly Finding[]) {
    const errors = errorsOf(findings)
    const count = errors.length === 1 ? '1 mistake' : `${errors.length} mistakes`
    super([`Cannot use the policies in "${folder}": ${count}`, ...errors.map(line)].join('\n'))
    this.name = 'PolicyError'
    this.findings = findings
  }
}

export function createFindings(): Findings {
  const list: Finding[] = []
  // What files and their names hold goes to a terminal and a log.
  const add = (level: Finding['level'], at: At, text: string): void =>
    void list.push({ level, at: printable(at), text: printable(text) })
  return {
    list,
    error: (at, text) => add('error', at, text),
    warning: (at, text) => add('warning', at, text),
  }
}

export function errorsOf(findings: readonly Finding[]): Finding[] {
  return findings.filter((finding) => finding.level === 'error')
}

/** By file, then by line. */
export function sorted(findings: readonly Finding[]): Finding[] {
  return [...findings].sort((a, b) => {
    const [fileA, lineA] = split(a.at)
    const [fileB, lineB] = split(b.at)
    if (fileA !== fileB) return fileA < fileB ? -1 : 1
    return lineA - lineB
  })
}

function split(at: At): [file: string, line: number] {
  const colon = at.lastIndexOf(':')
  return colon === -1 ? [at, 0] : [at.slice(0, colon), Number(at.slice(colon + 1))]
}

function line(finding: Finding): string {
  return `${finding.at}: ${finding.text}`
}
