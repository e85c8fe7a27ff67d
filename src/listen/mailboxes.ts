// The addresses of a From or Sender field (RFC 5322 3.4): display names, comments, quoted
// strings, groups. Read for the question "may this user write as …", so what cannot be read
// for certain is no answer.

import type { Address } from '../mail/address.ts'
import { parseAddress } from '../mail/address.ts'

/** More than this in one field is nobody's From. */
const MOST = 100

/** `undefined` when there is something in it that is no address. The text is latin1. */
export function readMailboxes(body: string): Address[] | undefined {
  const text = body.replaceAll('\r\n', '')
  const plain = readPlain(text)
  if (plain !== undefined) return [plain]
  return new Mailboxes(decode(text)).read()
}

// The common forms, `Ana <ana@near.example>` and `ana@near.example`.
function readPlain(text: string): Address | undefined {
  const open = text.indexOf('<')
  if (text.includes('"') || text.includes('(') || text.includes(',')) return undefined
  if (text.includes(':') || text.includes('\\')) return undefined
  if (open === -1) return parseAddress(decode(text.trim()))
  const close = text.indexOf('>', open)
  if (close === -1 || text.slice(close + 1).trim() !== '') return undefined
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
  #sound = true

  constructor(text: string) {
    this.#text = text
  }

  read(): Address[] | undefined {
    while (this.#at < this.#text.length && this.#sound) this.#step(this.#text[this.#at]!)
    this.#endMailbox()
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
    const text = this.#angle ?? this.#bare
    const empty = this.#angle === undefined && this.#bare.trim() === ''
    this.#angle = undefined
    this.#bare = ''
    if (empty) return
    const address = parseSpaced(text.trim())
    if (address === undefined) this.#sound = false
    else this.#found.push(address)
  }
}

// Space may stand around dots and the at sign. Longer texts are no address, and slow to look at.
function parseSpaced(text: string): Address | undefined {
  return text.length > 1000 ? undefined : parseAddress(text.replaceAll(/\s*([.@])\s*/g, '$1'))
}
