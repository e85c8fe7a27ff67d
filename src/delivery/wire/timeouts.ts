// How long each phase of a dialogue may take, in milliseconds. From MAIL on these are the
// minimum values of RFC 5321 4.5.3.2; before it we are less patient where the RFC leaves it open.

const MINUTE = 60_000

export const TIMEOUTS = {
  connect: MINUTE / 2,
  /** 4.5.3.2.1 */
  greeting: 5 * MINUTE,
  hello: 5 * MINUTE,
  starttls: 2 * MINUTE,
  handshake: MINUTE,
  auth: 2 * MINUTE,
  reset: 5 * MINUTE,
  /** 4.5.3.2.2 to 4.5.3.2.6 */
  mail: 5 * MINUTE,
  rcpt: 5 * MINUTE,
  data: 2 * MINUTE,
  /** Each time that the server takes some of the content. */
  block: 3 * MINUTE,
  dot: 10 * MINUTE,
  quit: MINUTE / 6,
} as const satisfies Record<string, number>

export type Phase = keyof typeof TIMEOUTS
export type Timeouts = Readonly<Record<Phase, number>>
