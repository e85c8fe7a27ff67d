// The content as it is stored: our fields on top, without those that must go, and with an empty
// line behind the header even where the client left none.

import type { Head } from './head.ts'

/** `content` may be only its beginning, with the whole header in it. */
export function compose(head: Head, content: Buffer, prefix: string): Buffer {
  // A line that is no field must not be read as part of the header by anybody: others skip it, and
  // would find an author behind it that was never checked. And Exim 4.96 takes no signature of a
  // header that no empty line follows.
  const { gap } = head
  let size = prefix.length + gap.length + content.length
  for (let n = 0; n < head.cuts.length; n += 2) size -= head.cuts[n + 1]! - head.cuts[n]!
  // Of its own memory, not Node's shared pool: what crosses to a thread is this and no more.
  const out = Buffer.allocUnsafeSlow(size)
  let at = out.write(prefix, 0, 'latin1')
  let from = 0
  for (let n = 0; n < head.cuts.length; n += 2) {
    at += content.copy(out, at, from, head.cuts[n])
    from = head.cuts[n + 1]!
  }
  at += content.copy(out, at, from, head.end)
  at += out.write(gap, at, 'latin1')
  content.copy(out, at, head.end)
  return out
}
