// Holds in words: what each lies on, who placed it and why, and the command that ends it.

import type { Entry, StandingHold } from '../../queue/port/reader.ts'
import type { OperatorAct } from '../../queue/port/types.ts'

type Scope = StandingHold['scope']

export function nameOf(scope: Scope): string {
  return scope.kind === 'all' ? 'all mail' : `${scope.kind} ${scope.name}`
}

/** As it is named to `waypost queue hold` and `waypost queue release`. */
export function optionOf(scope: Scope): string {
  return scope.kind === 'all' ? '--all' : `--${scope.kind} ${scope.name}`
}

export function releaseOf(scope: Scope): string {
  return `\`waypost queue release ${optionOf(scope)}\``
}

export function byWhom({ who, why }: OperatorAct): string {
  return `by ${who}${why === '' ? '' : `: ${why}`}`
}

/** The hold, and how it ends. */
export function describeHold(hold: StandingHold): string {
  return `the hold on ${nameOf(hold.scope)} (${byWhom(hold)}) stands until ${releaseOf(hold.scope)}`
}

/** What the hold does, and how it ends. */
export function effectOf({ scope, who, why }: StandingHold): string {
  const what = scope.kind === 'all' ? 'All mail' : `Mail of ${nameOf(scope)}`
  return `${what} is held (${byWhom({ who, why })}): none of it is sent until ${releaseOf(scope)}`
}

/** Why it is held, and what lets it go on. */
export function describeHeld({ id, held }: Entry): string {
  if (held === undefined) return 'held'
  const { scope, also = [] } = held
  const by = `held ${byWhom(held)}${scope === undefined ? '' : ` (the hold on ${nameOf(scope)})`}`
  const ends = scope === undefined ? `\`waypost queue release ${id}\`` : releaseOf(scope)
  const then = also.map((hold) => `; then ${describeHold(hold)}`)
  return `${by}; it waits until ${ends}${then.join('')}`
}

/** The holds that stand on some of them, once each. */
export function holdsOn(
  entries: readonly Entry[],
  known: Map<string, string> = new Map(),
): string[] {
  const fresh: string[] = []
  for (const { held } of entries) {
    const { scope, who, why, also = [] } = held ?? { also: [] }
    const first = scope === undefined ? [] : [{ scope, who: who!, why: why!, at: 0 }]
    for (const hold of [...first, ...also]) {
      const text = describeHold(hold)
      if (known.has(nameOf(hold.scope))) continue
      known.set(nameOf(hold.scope), text)
      fresh.push(text)
    }
  }
  return fresh
}
