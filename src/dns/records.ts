// The data of records, as much of them as somebody could use. An answer may hold thousands that
// nobody will ever try (64 KB of them, from anybody's zone): they are counted and not kept.

import type { Entry, Packet } from './packet.ts'

/** Types that we ask for, and what a record of each is. */
export interface Records {
  readonly A: string
  readonly AAAA: string
  /** `exchange` is empty for the root name. */
  readonly MX: { readonly preference: number; readonly exchange: string }
  /** The strings of one record, joined. */
  readonly TXT: string
}
export type RecordType = keyof Records

export interface Kept<Type extends RecordType = RecordType> {
  readonly records: readonly Records[Type][]
  /** Records that there are beside these. */
  readonly more: number
}

/** Of each type, more than anybody needs: 20 hosts and 20 addresses are tried. */
const MOST = { A: 32, AAAA: 32, MX: 64, TXT: 32 } as const satisfies Record<RecordType, number>
/** Bytes of all texts of an answer. A DKIM key of 8192 bits has 1.5 KB. */
const TEXT = 16 * 1024

/** Throws `Nonsense` for names that have no end. */
export function readRecords(type: RecordType, packet: Packet, entries: readonly Entry[]): Kept {
  const { bytes } = packet
  switch (type) {
    case 'A':
      return keep(entries, MOST.A, ({ start }) => bytes.subarray(start, start + 4).join('.'))
    case 'AAAA':
      return keep(entries, MOST.AAAA, ({ start }) => sixOf(bytes, start))
    case 'MX':
      return keepMx(packet, entries)
    case 'TXT':
      return keepTexts(bytes, entries)
  }
}

function keep(
  entries: readonly Entry[],
  most: number,
  read: (entry: Entry) => string,
): Kept<'A' | 'AAAA' | 'TXT'> {
  const found = entries.slice(0, most).map(read)
  return { records: found, more: entries.length - found.length }
}

// The most preferred ones, in the order in which they come.
function keepMx({ bytes, names }: Packet, entries: readonly Entry[]): Kept<'MX'> {
  const all = entries.map(({ start }) => ({ preference: bytes.readUInt16BE(start), at: start + 2 }))
  const best = [...all].sort((one, other) => one.preference - other.preference).slice(0, MOST.MX)
  const kept = new Set(best)
  const records = all
    .filter((one) => kept.has(one))
    .map(({ preference, at }) => ({ preference, exchange: names.read(at) }))
  return { records, more: all.length - records.length }
}

function keepTexts(bytes: Buffer, entries: readonly Entry[]): Kept<'TXT'> {
  let room = TEXT
  const fitting = entries.filter(({ start, end }) => (room -= end - start) >= 0)
  const { records, more } = keep(fitting, MOST.TXT, ({ start, end }) => textOf(bytes, start, end))
  return { records, more: more + entries.length - fitting.length }
}

function textOf(bytes: Buffer, start: number, end: number): string {
  const strings: Buffer[] = []
  for (let at = start; at < end; at += 1 + bytes[at]!)
    strings.push(bytes.subarray(at + 1, at + 1 + bytes[at]!))
  return Buffer.concat(strings).toString()
}

/** As RFC 5952 writes it. */
function sixOf(bytes: Buffer, start: number): string {
  const groups = Array.from({ length: 8 }, (_, n) => bytes.readUInt16BE(start + 2 * n))
  const text = groups.map((group) => group.toString(16)).join(':')
  // The first of the longest runs of zeros; a single one is no run.
  const runs = text.match(/(?<![^:])0(?::0)+(?![^:])/g) ?? []
  const longest = runs.reduce((long, run) => (run.length > long.length ? run : long), '')
  if (longest === '') return text
  return text.replace(new RegExp(`(?:^|:)${longest}(?::|$)`), '::')
}
