// How many connections there may be. The cap in all is for file descriptors; no site holds more
// than a tenth of it, and a fifth is kept for sites that are known to be quick, so that those who
// wait on slow hosts cannot fill it all.

export class Capacity {
  readonly cap: number
  /** What one site may hold. */
  readonly perSite: number
  /** What all slow sites together may hold. */
  readonly forSlow: number
  /** Connections that somebody works with or is opening. */
  busy = 0
  /** Those of them that belong to slow sites. */
  slow = 0
  /** Open connections that nobody uses. */
  idle = 0

  constructor(cap: number) {
    this.cap = cap
    this.perSite = Math.max(1, Math.floor(cap / 10))
    this.forSlow = Math.max(1, Math.floor((cap * 4) / 5))
  }

  /** Idle connections make room, so they do not count. */
  roomFor(slow: boolean): boolean {
    return this.busy < this.cap && (!slow || this.slow < this.forSlow)
  }

  /** One more connection would be too many unless an idle one is closed. */
  get full(): boolean {
    return this.busy + this.idle >= this.cap
  }
}
