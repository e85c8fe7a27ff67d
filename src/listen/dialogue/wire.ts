// What a conversation needs of its connection.

import type { ReplyLine } from '../words/reply.ts'

export interface Wire {
  readonly client: string
  readonly secure: boolean
  readonly tls: string | undefined
  say(line: ReplyLine): void
  /** The last word: nothing is read any more. */
  hangUp(line: ReplyLine): void
  /** The same, said after a while: who was hung up on is not back at once. */
  hangUpLate(line: ReplyLine): void
  /** Nothing more is read until the work is done, or there is room for content. */
  holdWork(): void
  releaseWork(): void
  holdRoom(): void
  releaseRoom(): void
  /** Content comes next: until the final dot, or this many bytes. */
  readDots(): void
  readCount(bytes: number): void
  startTls(): void
}
