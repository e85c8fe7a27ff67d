// What entries of small state came to, as the scripts answer.

import type { StoreAnswer } from '../../../store/store.ts'

export function answersOf(value: unknown): StoreAnswer[] {
  return (value as readonly (readonly [done: number, value?: string | Buffer])[]).map(
    ([done, now]) => {
      return now === undefined ? { done: done === 1 } : { done: done === 1, value: now.toString() }
    },
  )
}
