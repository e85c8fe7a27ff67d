// What is said of TLS that did not come about, or that a client left at once: the commonest cause is
// a certificate that it does not trust, and the client rarely says so.

type Note = { level: 'info'; text: string; cause?: string }

/** Before the end of the handshake. */
export function handshakeTrouble(client: string, error: Error | undefined, times: number): Note {
  return {
    level: 'info',
    text: `TLS handshake with ${client} failed${more(times)}`,
    cause: causeOf(error),
  }
}

/** After it, and before any command. */
export function leftAfterTls(client: string, error: Error | undefined, times: number): Note {
  const text = `${client} left right after TLS, before any command: it may not trust our certificate${more(times)}`
  return error === undefined
    ? { level: 'info', text }
    : { level: 'info', text, cause: causeOf(error) }
}

function more(times: number): string {
  return times === 1 ? '' : `, ${times} times`
}

// OpenSSL names what the client said: ERR_SSL_TLSV1_ALERT_UNKNOWN_CA. smtp-server calls it a
// SocketError when the client just went.
function causeOf(error: (Error & { code?: string }) | undefined): string {
  if (error === undefined || error.code === 'SocketError') return LEFT
  const alert = /ALERT_((?:BAD_|UNSUPPORTED_)?CERTIFICATE\w*|UNKNOWN_CA)/.exec(
    error.code ?? '',
  )?.[1]
  if (alert === undefined) return error.message
  return `the client does not trust our certificate (${alert.toLowerCase().replaceAll('_', ' ')})`
}

const LEFT = 'the client went away, it may not trust our certificate'
