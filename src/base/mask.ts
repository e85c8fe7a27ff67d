// Addresses of servers without what is secret in them, also where it stands in the wrong place.

import { isIPv6 } from 'node:net'

const BY_NAME = /([?&#][^=&#]*(?:pass|pwd|secret|token|auth|key)[^=&#]*=)[^&#]*/gi
// Behind a host, where a port should be; what is in brackets is an address.
const BEHIND_HOST = /\[[^\]]*\]|:(?!\d{1,5}(?:[,/?#]|$))[^,/?#]+/g

/** `redis://…@host:6379`: whatever is wrong with it may be in the password, so all up to the last "@" goes. */
export function withoutSecrets(text: string): string {
  const [, scheme = '', rest = ''] = /^((?:[a-z][a-z0-9+.-]*:\/{1,2})?)(.*)$/is.exec(text) ?? []
  const at = rest.lastIndexOf('@')
  const host = (at === -1 ? rest : rest.slice(at + 1)).replace(BY_NAME, '$1…')
  const end = host.search(/[/?#]/)
  const [names, path] = end === -1 ? [host, ''] : [host.slice(0, end), host.slice(end)]
  // IPv6 without its brackets is a mistake and no secret.
  const ports = isIPv6(names)
    ? names
    : names.replace(BEHIND_HOST, (found) => (found.startsWith('[') ? found : ':…'))
  return `${scheme}${at === -1 ? '' : '…@'}${ports}${path}`
}
