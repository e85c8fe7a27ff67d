// When a process is asked to end: the first signal asks, a second one does not wait.

/**
 * Signals this close are one act, in milliseconds: a terminal sends Ctrl-C to npm and to us, and
 * npm passes it on.
 */
const ONE_ACT = 300

/** Resolves with the first SIGTERM or SIGINT; any later one ends the process at once. */
export function stopSignal(): Promise<void> {
  return new Promise((resolve) => {
    let asked: number | undefined
    const hear = (): void => {
      const now = performance.now()
      if (asked !== undefined && now - asked > ONE_ACT) process.exit(1)
      asked ??= now
      resolve()
    }
    process.on('SIGTERM', hear)
    process.on('SIGINT', hear)
  })
}
