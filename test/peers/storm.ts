// A mail server that misbehaves by chance: it drops, defers, refuses, takes its time, and at times takes a
// message and closes. And the mail that is sent into that, and what came of it.

import type { Chance } from './chance.ts'
import { drop } from './mx.ts'
import type { Answer, Mx, Script } from './mx.ts'

/** Bad in every way, and good most of the time. */
export function stormy(chance: Chance): Script {
  const odds = (table: readonly (readonly [number, Answer])[], otherwise: string) => async () => {
    if (chance() < 0.3) await new Promise((resolve) => setTimeout(resolve, chance() * 15))
    let lot = chance()
    for (const [share, answer] of table) if ((lot -= share) < 0) return answer
    return otherwise
  }
  return {
    greeting: odds(
      [
        [0.02, drop],
        [0.02, '421 4.3.2 Not now'],
      ],
      '220 mx.example ESMTP',
    ),
    MAIL: odds(
      [
        [0.02, drop],
        [0.03, '451 4.3.0 Later'],
        [0.01, '550 5.7.1 No'],
      ],
      '250 ok',
    ),
    RCPT: odds(
      [
        [0.02, drop],
        [0.06, '450 4.2.0 Later'],
        [0.05, '550 5.1.1 No'],
        [0.03, '452 4.5.3 Many'],
      ],
      '250 ok',
    ),
    DATA: odds(
      [
        [0.01, drop],
        [0.02, '451 4.3.0 Later'],
      ],
      '354 go on',
    ),
    dot: odds(
      [
        [0.04, drop],
        [0.04, '451 4.3.0 Later'],
        [0.02, '554 5.6.0 No'],
        [0.01, { last: '250 ok' }],
      ],
      '250 ok',
    ),
    RSET: odds([[0.05, drop]], '250 ok'),
  }
}

/** One to three people at these domains; `n` is the number of their message. */
export function recipientsOf(n: number, chance: Chance, domains: readonly string[]): string[] {
  const count = 1 + Math.floor(chance() * 3)
  return Array.from({ length: count }, (_, index) => {
    return `n${n}-${index}@${domains[Math.floor(chance() * domains.length)]!}`
  })
}

/** How often the message with the subject `number n` came for this recipient. */
export function arrivals(servers: readonly Mx[], n: number, to: string): number {
  const subject = `Subject: number ${n}\r\n`
  const all = servers.flatMap(({ taken }) => taken)
  return all.filter((taken) => taken.to.includes(to) && taken.content.includes(subject)).length
}

/** Whether a notice about this recipient has come. */
export function isTold(servers: readonly Mx[], to: string): boolean {
  const line = `Final-Recipient: rfc822; ${to}\r\n`
  return servers.some(({ taken }) => taken.some(({ content }) => content.includes(line)))
}
