// One YAML file of an operator as places: values that know their file and line. All that
// is said about a value is said here, so that every mistake reads alike:
// `relay.yaml:12: "port": is "x", should be a whole number from 1 to 65535`.

import { isAlias, isMap, isScalar, isSeq, LineCounter, parseDocument, visit } from 'yaml'
import type { Document, ErrorCode, Node } from 'yaml'
import type { Findings } from './findings.ts'
import type { At } from './policy.ts'

interface File {
  readonly name: string
  readonly document: Document
  readonly lines: LineCounter
  readonly findings: Findings
}

/** A value with its position. */
export interface Place {
  readonly file: File
  readonly node: Node | undefined
  /** What messages call it: the key it stands under; empty for the whole file. */
  readonly name: string
  readonly at: At
}

export interface Entry {
  readonly key: Place
  readonly value: Place
}

/** The whole of a file; `undefined` when it is empty or `[]`, or no YAML, which is then reported. */
export function parseFile(name: string, text: string, findings: Findings): Place | undefined {
  const lines = new LineCounter()
  // Keys are compared by `entriesOf`, which can say where the first one stands.
  const document = parseDocument(text, {
    version: '1.2',
    lineCounter: lines,
    prettyErrors: false,
    uniqueKeys: false,
  })
  const file: File = { name, document, lines, findings }
  const troubles = [...troublesOf(document, text), ...signsOf(document)]
  reportTroubles(file, troubles)
  if (troubles.length > 0 || document.contents === null) return undefined
  const place = placeOf(file, document.contents, '')
  return isEmpty(place) || isEmptyList(place) ? undefined : place
}

/** Reports what the value is and what it should be. */
export function wrong(place: Place, expected: string): undefined {
  return fault(place, `is ${show(place.node)}, should be ${expected}`)
}

/** Reports a mistake without repeating the value, which may be secret. */
export function fault(place: Place, text: string): undefined {
  const name = place.name === '' ? '' : `"${place.name}": `
  place.file.findings.error(place.at, `${name}${text}`)
}

export function doubt(place: Place, text: string): void {
  place.file.findings.warning(place.at, text)
}

/** The scalar, or `undefined` for a list, a map or nothing. */
export function scalarOf(place: Place): string | number | boolean | undefined {
  if (!isScalar(place.node)) return undefined
  const value = place.node.value
  const plain = typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean'
  return plain ? value : undefined
}

export function isEmpty(place: Place): boolean {
  return place.node === undefined || (isScalar(place.node) && place.node.value === null)
}

/** `[]`: none, said in so many words. */
function isEmptyList(place: Place): boolean {
  return isSeq(place.node) && place.node.items.length === 0
}

/** How many items or keys it has. */
export function sizeOf(place: Place): number {
  return isMap(place.node) || isSeq(place.node) ? place.node.items.length : 0
}

/** The values of a list; `undefined` when it is none. */
export function itemsOf(place: Place, name = place.name): Place[] | undefined {
  if (!isSeq(place.node)) return undefined
  return place.node.items.map((item) => placeOf(place.file, item as Node | null, name, place.at))
}

/** The entries of a map, each key once; `undefined` when it is none. */
export function entriesOf(place: Place): Entry[] | undefined {
  if (!isMap(place.node)) return undefined
  const seen = new Map<string, Place>()
  const entries: Entry[] = []
  for (const pair of place.node.items) {
    const name = isScalar(pair.key) ? String(pair.key.value) : 'key'
    const key = placeOf(place.file, pair.key as Node | null, name, place.at)
    const first = seen.get(name)
    if (first !== undefined) fault(key, `is written twice, first at ${first.at}`)
    else if (typeof scalarOf(key) !== 'string') wrong(key, 'text: put it in quotes')
    else
      entries.push({ key, value: placeOf(place.file, pair.value as Node | null, key.name, key.at) })
    seen.set(name, key)
  }
  return entries
}

/** What keeps a file from being read, and where in it. */
interface Trouble {
  readonly text: string
  readonly offset: number
}

// One mistake often leads to several on its line: the first is the one to mend.
function reportTroubles(file: File, troubles: readonly Trouble[]): void {
  const told = new Set<At>()
  for (const { text, offset } of troubles) {
    const at = atOffset(file, offset)
    if (!told.has(at)) file.findings.error(at, `is no YAML: ${text}`)
    told.add(at)
  }
}

function troublesOf({ errors, warnings }: Document, text: string): Trouble[] {
  const found = [...errors, ...warnings]
  const ofSigns = found.flatMap(({ code, pos: [offset] }) => {
    const sign = OF_SIGNS.has(code) ? signBefore(text, offset) : undefined
    return sign === undefined ? [] : [{ text: quoteIt(sign), offset }]
  })
  // A sign that should be in quotes leads to others, also on the lines below it.
  if (ofSigns.length > 0) return ofSigns
  return found.map(({ code, message, pos: [offset] }) => ({ text: HINTS[code] ?? message, offset }))
}

// What the library says in words of its own programmers.
const HINTS: Partial<Record<ErrorCode, string>> = {
  MULTIPLE_DOCS: 'should be one document, without "---" between rules',
}

const OF_SIGNS: ReadonlySet<ErrorCode> = new Set([
  'BAD_ALIAS',
  'BAD_DIRECTIVE',
  'BAD_SCALAR_START',
  'TAG_RESOLVE_FAILED',
] as const)

/** What YAML reads as more than text where a value begins with it; here, or earlier on the line. */
function signBefore(text: string, offset: number): string | undefined {
  const line = text.slice(text.lastIndexOf('\n', offset - 1) + 1, offset + 1)
  const signs = line.match(/(?<![^\s[{,:-])[*&!@`%,|>](?!.*(?<![^\s[{,:-])[*&!@`%,|>])/)
  return signs?.[0]
}

function quoteIt(sign: string): string {
  const example = sign === '*' ? "'*' or '*.x.example'" : `'${sign}x'`
  return `what begins with ${sign} should be in quotes, such as ${example}`
}

// Signs that YAML takes without a word: an alias of nothing reads as empty, an anchor that nobody
// names and a lone `!` are dropped, and the rest of the text is taken for the whole.
function signsOf(document: Document): Trouble[] {
  const found: Trouble[] = []
  const named = new Set<string>()
  const anchors = new Map<string, number>()
  const add = (sign: string, node: Node): void =>
    void found.push({ text: quoteIt(sign), offset: node.range?.[0] ?? 0 })
  visit(document, {
    Node: (_, node) => {
      if (isAlias(node)) {
        named.add(node.source)
        if (node.resolve(document) === undefined) add('*', node)
        return
      }
      if (node.tag === '!') add('!', node)
      if (node.anchor !== undefined) anchors.set(node.anchor, node.range?.[0] ?? 0)
    },
  })
  for (const [anchor, offset] of anchors)
    if (!named.has(anchor)) found.push({ text: quoteIt('&'), offset })
  return found
}

function placeOf(file: File, found: Node | null, name: string, at?: At): Place {
  // What an alias names is read, and the alias is where it stands.
  const node = isAlias(found) ? found.resolve(file.document) : (found ?? undefined)
  const offset = found?.range?.[0]
  return { file, node, name, at: offset === undefined ? (at ?? file.name) : atOffset(file, offset) }
}

function atOffset(file: File, offset: number): At {
  return `${file.name}:${Math.max(file.lines.linePos(offset).line, 1)}`
}

function show(node: Node | undefined): string {
  if (isMap(node)) return 'a map'
  if (isSeq(node)) return node.items.length === 0 ? 'an empty list' : 'a list'
  if (!isScalar(node) || node.value === null) return 'empty'
  const text = typeof node.value === 'string' ? node.value : (node.source ?? typeof node.value)
  const short = text.length > 60 ? `${text.slice(0, 60)}…` : text
  return `"${short}"`
}
