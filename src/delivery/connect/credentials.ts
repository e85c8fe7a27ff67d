// With what we log in, asked when a connection is made: whoever answers may have to wait, for a token that is
// fetched or renewed. That it cannot answer is trouble of this login: nothing was tried, and mail waits.

import type { Login } from '../../mail/path.ts'
import type { Policy } from '../../policy/policy.ts'
import type { Credentials } from '../connection.ts'

/** Throws, or rejects, with a sentence for people when there are none to be had. */
export type AskCredentials = (login: Login) => Credentials | Promise<Credentials>

/** The passwords that policies name, as they are now. */
export function passwordsOf(policy: () => Pick<Policy, 'secret'>): AskCredentials {
  return ({ user, secret }) => {
    const password = policy().secret(secret)
    if (password === undefined) throw new Error(`No rule of routing.yaml names ${secret} any more`)
    return { user, password }
  }
}
