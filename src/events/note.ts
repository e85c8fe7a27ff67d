// What the relay says of itself that is no fact of a message.

import type { Clock } from '../base/clock.ts'
import type { Report } from '../mail/event.ts'

export type Note = (level: 'info' | 'warn' | 'error', text: string, cause?: unknown) => void

export function noteTo(report: Report, clock: Clock): Note {
  return (level, text, cause) => {
    const detail = cause instanceof Error ? { cause: cause.message } : {}
    report({ kind: 'note', at: clock.now(), level, text, ...detail })
  }
}
