// Whom we call without an operator having named them: the addresses that mail of strangers must
// not lead us to. A relay is trusted by the servers beside it; an MX record must not borrow that.

import { isIP } from 'node:net'
import { matchNetworks, parseNetwork, reached } from '../../base/network.ts'

/** What WAYPOST_MX_REFUSE is when nobody sets it. */
export const REFUSED_BY_DEFAULT = [
  '0.0.0.0/8', // unspecified
  '127.0.0.0/8', // loopback
  '169.254.0.0/16', // link-local, where clouds keep their metadata
  '10.0.0.0/8', // private
  '172.16.0.0/12',
  '192.168.0.0/16',
  '100.64.0.0/10', // shared by carriers, and used like private ones
  '224.0.0.0/4', // multicast
  '240.0.0.0/4', // reserved, and broadcast
  '::/96', // unspecified, loopback, and the old way to write IPv4
  'fc00::/7', // unique-local
  'fe80::/10', // link-local
  'fec0::/10', // site-local
  'ff00::/8', // multicast
  '64:ff9b:1::/48', // local translation to IPv4
].join(',')

/**
 * Networks separated by commas, or `none`; a test whether an address counts as absent. What is no
 * address always does: the system would look it up as a name.
 */
export function readRefused(text: string): (address: string) => boolean {
  if (text.trim() === 'none') return (address) => isIP(address) === 0
  const networks = text
    .split(',')
    .map((part) => part.trim())
    .filter((part) => part !== '')
    .map((part) => {
      const network = parseNetwork(part)
      if (network === undefined)
        throw new Error(
          `Cannot read network "${part}": want an address or a range such as 10.0.0.0/8`,
        )
      return network
    })
  const guarded = matchNetworks(networks, reached)
  return (address) => isIP(address) === 0 || guarded(address)
}
