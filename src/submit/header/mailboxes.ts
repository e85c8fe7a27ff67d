// The addresses of a From or Sender field (RFC 5322 3.4): display names, comments, quoted
// strings, groups. Read for the question "may this user write as …", so every address that
// somebody may find in it counts, and what cannot be read for certain is no answer.

import type { Address } from '../../mail/address.ts'
import { parseAddress } from '../../mail/address.ts'
import { readLooseMailbox } from './loose-mailbox.ts'

/** More than this in one field is nobody's From. */
const MOST = 100

/**
 * The text is latin1. `undefined` when it cannot be read for certain. An address in a display name
 * without quotes counts, behind that in brackets: some readers take it for the author.
 */
export function readMailboxes(body: string): Address[] | undefined {
  const text = body.replaceAll('\r\n', '')
  const plain = readPlain(text)
  if (plain !== undefined) return [plain]
  const decoded = decode(text)
  return new Mailboxes(decoded).read() ?? readLooseMailbox(decoded)
}

// The common forms, `Ana <ana@near.example>` and `ana@near.example`.
function readPlain(text: string): Address | undefined {
  const open = text.indexOf('<')
  if (text.includes('"') || text.includes('(') || text.includes(',')) return undefined
  if (text.includes(':') || text.includes('\\') || text.includes(';')) return undefined
  if (open === -1) return parseAddress(decode(text.trim()))
  const close = text.indexOf('>', open)
  if (close === -1 || text.slice(close + 1).trim() !== '') return undefined
  if (text.lastIndexOf('@', open) !== -1) return undefined
  return parseAddress(decode(text.slice(open + 1, close).trim()))
}

function decode(text: string): string {
  return Buffer.from(text, 'latin1').toString('utf8')
}

class Mailboxes {
  readonly #text: string
  readonly #found: Address[] = []
  #at = 0
  /** What stands outside of brackets since the last comma. */
  #bare = ''
  #angle: string | undefined
  /** Words without an address: of `Doe, John <john@near.example>` the first. */
  #words = false
  #sound = true

  constructor(text: string) {
    this.#text = text
  }

  read(): Address[] | undefined {
    while (this.#at < this.#text.length && this.#sound) this.#step(this.#text[this.#at]!)
    this.#endMailbox()
    if (this.#words && this.#found.length === 0) return undefined
    return this.#sound && this.#found.length <= MOST ? this.#found : undefined
  }

  #step(character: string): void {
    // Others may take what stands behind the brackets for the address.
    if (this.#angle !== undefined && !/[\s,;(]/.test(character)) this.#sound = false
    switch (character) {
      case '(':
        this.#skipComment()
        return
      case '"':
        this.#bare += this.#quoted()
        return
      case '<':
        this.#readAngle()
        return
      case ',':
      case ';':
        this.#endMailbox()
        break
      case ':':
        if (this.#bare.includes('@')) this.#addNamed(this.#bare)
        this.#bare = '' // the name of a group
        break
      default:
        this.#bare += character
    }
    this.#at++
  }

  #skipComment(): void {
    let depth = 0
    for (; this.#at < this.#text.length; this.#at++) {
      const character = this.#text[this.#at]
      if (character === '\\') this.#at++
      else if (character === '(') depth++
      else if (character === ')' && --depth === 0) {
        this.#at++
        return
      }
    }
    this.#sound = false
  }

  #quoted(): string {
    const start = this.#at++
    for (; this.#at < this.#text.length; this.#at++) {
      if (this.#text[this.#at] === '\\') this.#at++
      else if (this.#text[this.#at] === '"') return this.#text.slice(start, ++this.#at)
    }
    this.#sound = false
    return ''
  }

  #readAngle(): void {
    if (this.#angle !== undefined) this.#sound = false
    let inside = ''
    this.#at++
    while (this.#at < this.#text.length && this.#text[this.#at] !== '>') {
      const character = this.#text[this.#at]!
      if (character === '(') this.#skipComment()
      else if (character === '"') inside += this.#quoted()
      else {
        inside += character
        this.#at++
      }
    }
    if (this.#at >= this.#text.length) this.#sound = false
    this.#at++
    this.#angle = inside.replace(/^\s*@[^:]*:/, '') // an obsolete route
  }

  #endMailbox(): void {
    const [angle, bare] = [this.#angle, this.#bare.trim()]
    this.#angle = undefined
    this.#bare = ''
    if (angle !== undefined) {
      this.#add(angle)
      if (bare.includes('@')) this.#addNamed(bare)
    } else if (bare.includes('@')) this.#add(bare)
    else if (bare !== '') this.#words = true
  }

  #add(text: string): void {
    const address = parseSpaced(text.trim())
    if (address === undefined) this.#sound = false
    else this.#found.push(address)
  }

  // Addresses in a display name without quotes. A name such as `Support @ Home` has none: what
  // follows has no dot, and is no domain that anybody could be deceived by.
  #addNamed(name: string): void {
    const plain = name.replaceAll(/"(?:[^"\\]|\\.)*"/g, ' ')
    if (plain.length > LONGEST) this.#sound = false
    else
      for (const [text, domain] of joinSpaced(plain).matchAll(/[^\s@]*@([^\s@]*)/g))
        if (domain!.includes('.')) this.#add(withoutMarks(text))
  }
}

// `[ana@near.example]`, `ana@near.example!`
function withoutMarks(text: string): string {
  return text.includes('@[') ? text : text.replaceAll(/^[^\p{L}\p{N}]+|[^\p{L}\p{N}]+$/gu, '')
}

/** Longer texts are no address, and slow to look at. */
const LONGEST = 1000

// Space may stand around dots and the at sign.
function joinSpaced(text: string): string {
  return text.replaceAll(/\s*([.@])\s*/g, '$1')
}

function parseSpaced(text: string): Address | undefined {
  return text.length > LONGEST ? undefined : parseAddress(joinSpaced(text))
}
