// Why an address and port could not be opened, in words.

const REASONS: Readonly<Record<string, string>> = {
  EADDRINUSE: 'another program listens there',
  EADDRNOTAVAIL: 'this machine has no such address',
  EACCES: 'this user may not open it, as ports under 1024 need CAP_NET_BIND_SERVICE',
  ENOTFOUND: 'there is no such host',
}

export function bindError(host: string, port: number, cause: NodeJS.ErrnoException): Error {
  const reason = REASONS[cause.code ?? ''] ?? cause.message
  const place = host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`
  return new Error(`Cannot listen on "${place}": ${reason}`, { cause })
}
