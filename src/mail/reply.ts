// A reply of an SMTP server (RFC 5321 4.2), and how it is read. What a server says is
// kept word for word, at most 100 lines and 8 KB of it.

export interface Reply {
  readonly code: number
  /** RFC 3463 status such as "5.1.1", when the server gave one. */
  readonly status?: string
  /** The lines without code and status, joined by "\n"; bytes that are no UTF-8 are replaced. */
  readonly text: string
}

export type ReplyClass = 'success' | 'intermediate' | 'temporary' | 'permanent'

export function classOf(reply: Reply): ReplyClass {
  switch (Math.floor(reply.code / 100)) {
    case 2:
      return 'success'
    case 3:
      return 'intermediate'
    case 5:
      return 'permanent'
    default:
      return 'temporary' // RFC 5321 has no 1yz or 6yz: a server that sends one is unwell
  }
}

/** As the server wrote it, on one line: `550 5.1.1 No such user`. */
export function formatReply(reply: Reply): string {
  const status = reply.status === undefined ? '' : `${reply.status} `
  return `${reply.code} ${status}${reply.text.replaceAll('\n', ' ')}`.trimEnd()
}
