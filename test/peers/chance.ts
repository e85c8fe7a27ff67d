// Chance that can be had again, and a mail server that misbehaves by it: it drops, defers, refuses,
// takes its time, and at times takes a message and closes.

import { drop } from './mx.ts'
import type { Answer, Script } from './mx.ts'

/** Numbers from 0 up to 1 that follow from the seed. */
export function lots(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

/** Bad in every way, and good most of the time. */
export function stormy(chance: () => number): Script {
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
