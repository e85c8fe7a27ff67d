// What a client may do without handing in a message: mistakes, commands that bring none, recipients
// beyond the limit and failed logins are counted, and whoever does too much of it is hung up on. A
// message that was taken sets all but the last back.

/** Mistakes and refusals: as Postfix's `smtpd_hard_error_limit`. */
const MISTAKES = 20
/** NOOP, RSET, EHLO and the like of a client that may send: `smtpd_junk_command_limit`. */
const IDLE_COMMANDS = 100
/** Of one that may not, or not yet: EHLO, STARTTLS, EHLO and AUTH are all that it has to say. */
const IDLE_COMMANDS_OF_STRANGERS = 20
/** Chunks that carry next to nothing. */
const SMALL_CHUNKS = 10_000
/** Recipients that were refused or named twice, for each that a message may have. */
const EXTRA_RECIPIENTS = 10

/** Failed logins. */
const GUESSES = 5

/** Bytes from which on a chunk is worth its command. */
export const SMALL_CHUNK = 512

export class Manners {
  #mistakes = 0
  #idle = 0
  #chunks = 0
  #recipients = 0
  /** A message that was taken sets these not back: whoever guesses may well have one. */
  #guesses = 0

  /** True, as in all below: that was too much. */
  mistake(): boolean {
    return ++this.#mistakes >= MISTAKES
  }

  idle(maySend: boolean): boolean {
    return ++this.#idle >= (maySend ? IDLE_COMMANDS : IDLE_COMMANDS_OF_STRANGERS)
  }

  smallChunk(): boolean {
    return ++this.#chunks >= SMALL_CHUNKS
  }

  extraRecipient(recipients: number): boolean {
    return ++this.#recipients >= EXTRA_RECIPIENTS * recipients
  }

  failedLogin(): boolean {
    return ++this.#guesses >= GUESSES
  }

  forgive(): void {
    this.#mistakes = 0
    this.#idle = 0
    this.#chunks = 0
    this.#recipients = 0
  }
}
