// Names in packets (RFC 1035 3.1, 4.1.4), and names as text: lower case, without the last dot,
// whatever is no plain letter, digit or sign as `\DDD`, so that no two names read alike.

/** Names are compared in lower case and without the last dot. */
export function plainName(name: string): string {
  return name.toLowerCase().replace(/\.$/, '')
}

/** A server could know it: neither empty nor longer than names can be, and no byte needs `\DDD`. */
export function isAskable(name: string): boolean {
  if (name.length > 253 || !/^[!-[\]-~]+$/.test(name)) return false
  return name.split('.').every((label) => label !== '' && label.length <= 63)
}

/** The bytes of a name that is askable. */
export function writeName(name: string): Buffer {
  const labels = name.split('.').map((label) => {
    const bytes = Buffer.from(label, 'latin1')
    return Buffer.concat([Buffer.of(bytes.length), bytes])
  })
  return Buffer.concat([...labels, Buffer.of(0)])
}

/** What a packet holds cannot be: it was cut short, or made to mislead. */
export class Nonsense extends Error {
  override name = 'Nonsense'
}

const POINTER = 0xc0
/** RFC 1035 3.1, without the root's own byte. */
const LONGEST = 254
/** A name has at most 127 labels, so no honest one has more pointers. */
const HOPS = 127
/** Labels and pointers that are followed in one packet, beside one for each of its bytes. */
const STEPS = 1000

interface Known {
  readonly text: string
  /** Bytes that it takes uncompressed, without the root's own. */
  readonly length: number
}

const ROOT: Known = { text: '', length: 0 }

/** The names of one packet. What pointers lead to is read once. */
export class Names {
  readonly #bytes: Buffer
  readonly #known = new Map<number, Known>()
  #steps: number

  constructor(bytes: Buffer) {
    this.#bytes = bytes
    this.#steps = bytes.length + STEPS
  }

  /** Where the name that begins at `at` ends. Throws where it ends nowhere. */
  skip(at: number): number {
    let end = at
    for (;;) {
      const size = this.#size(end)
      if (size >= POINTER) return end + 2
      end += size + 1
      if (size === 0) return end
      if (end - at > LONGEST) throw new Nonsense('a name that is too long')
    }
  }

  /** The name that begins at `at`, the root as empty text. Throws where there is none. */
  read(at: number): string {
    return this.#read(at, HOPS).text
  }

  #read(start: number, hops: number): Known {
    // Most names are nothing but a pointer.
    if (this.#size(start) >= POINTER) return this.#behind(start, start, hops)
    const labels: string[] = []
    let length = 0
    let rest = ROOT
    for (let at = start; ;) {
      const size = this.#size(at)
      if (size === 0) break
      if (size >= POINTER) {
        rest = this.#behind(at, start, hops)
        break
      }
      labels.push(textOf(this.#bytes.subarray(at + 1, at + 1 + size)))
      length += size + 1
      at += size + 1
    }
    length += rest.length
    if (length > LONGEST) throw new Nonsense('a name that is too long')
    if (rest.text !== '') labels.push(rest.text)
    return { text: labels.join('.'), length }
  }

  // Only to what stands before this part of the name, so that no name leads back into itself.
  #behind(at: number, start: number, hops: number): Known {
    const target = this.#bytes.readUInt16BE(at) & 0x3fff
    const known = this.#known.get(target)
    if (known !== undefined) return known
    if (target >= start || hops === 0) throw new Nonsense('a name without an end')
    const found = this.#read(target, hops - 1)
    this.#known.set(target, found)
    return found
  }

  /** The length of the label there, or at least `POINTER`. */
  #size(at: number): number {
    if (this.#steps-- <= 0) throw new Nonsense('names that are too long to read')
    const size = this.#bytes.readUInt8(at)
    const end = at + (size >= POINTER ? 2 : size + 1)
    if (end > this.#bytes.length || (size > 63 && size < POINTER))
      throw new Nonsense('a name that is cut short')
    return size
  }
}

// All signs that can be seen, but the dot and the backslash.
const PLAIN = /^[!-\-/-[\]-~]+$/
const UNPLAIN = /[^!-\-/-[\]-~]/g

function textOf(label: Buffer): string {
  const text = label.toString('latin1')
  const plain = PLAIN.test(text) ? text : text.replace(UNPLAIN, escaped)
  return plain.toLowerCase()
}

function escaped(sign: string): string {
  return `\\${String(sign.charCodeAt(0)).padStart(3, '0')}`
}
