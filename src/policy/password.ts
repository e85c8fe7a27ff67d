// Passwords as `users.yaml` keeps them: argon2id in the PHC text form,
// `$argon2id$v=19$m=19456,t=2,p=1$salt$hash`. The cost of a check is bounded, whoever wrote it.

import { argon2, randomBytes, timingSafeEqual } from 'node:crypto'

/** What OWASP asks of argon2id: 19 MiB, two passes, one lane. */
const COST = { memory: 19_456, passes: 2, parallelism: 1 } as const
const SALT_BYTES = 16
const HASH_BYTES = 32

/** 256 MiB and 10 passes take a second or so; a file that asks for more is a mistake or an attack. */
const MOST = { memory: 262_144, passes: 10, parallelism: 16, bytes: 64 } as const

const FORM =
  /^\$argon2id\$v=19\$m=([1-9]\d{0,6}),t=([1-9]\d{0,2}),p=([1-9]\d{0,2})\$([A-Za-z0-9+/]{1,86})\$([A-Za-z0-9+/]{1,86})$/

export interface Hash {
  /** KiB. */
  readonly memory: number
  readonly passes: number
  readonly parallelism: number
  readonly salt: Buffer
  readonly hash: Buffer
}

/** The hash of a new password; `salt` is an argument for tests. */
export async function hashPassword(
  password: string,
  salt = randomBytes(SALT_BYTES),
): Promise<string> {
  const hash = await derive(password, { ...COST, salt }, HASH_BYTES)
  const cost = `m=${COST.memory},t=${COST.passes},p=${COST.parallelism}`
  return `$argon2id$v=19$${cost}$${encode(salt)}$${encode(hash)}`
}

/**
 * Whether this is the password. For a user who is not there (`undefined`, or text that is no
 * hash) it takes as long as for one who is, and the answer is no.
 */
export async function verifyPassword(phc: string | undefined, password: string): Promise<boolean> {
  const known = phc === undefined ? undefined : parseHash(phc)
  const { hash, ...cost } = known ?? { ...COST, ...NOBODY }
  const derived = await derive(password, cost, hash.length)
  return timingSafeEqual(derived, hash) && known !== undefined
}

/** `undefined` when the text is no argon2id hash, or asks for too much or too little. */
export function parseHash(phc: string): Hash | undefined {
  const match = FORM.exec(phc)
  if (match === null) return undefined
  const [memory, passes, parallelism] = match.slice(1, 4).map(Number) as [number, number, number]
  const [salt, hash] = match.slice(4).map(decode)
  if (salt === undefined || salt.length < 8 || salt.length > MOST.bytes) return undefined
  if (hash === undefined || hash.length < 16 || hash.length > MOST.bytes) return undefined
  if (memory > MOST.memory || passes > MOST.passes || parallelism > MOST.parallelism)
    return undefined
  return memory < 8 * parallelism ? undefined : { memory, passes, parallelism, salt, hash }
}

const NOBODY = { salt: Buffer.alloc(SALT_BYTES), hash: Buffer.alloc(HASH_BYTES) } as const

function derive(password: string, cost: Omit<Hash, 'hash'>, length: number): Promise<Buffer> {
  const { memory, passes, parallelism, salt } = cost
  const asked = { message: password, nonce: salt, memory, passes, parallelism, tagLength: length }
  return new Promise((resolve, reject) => {
    argon2('argon2id', asked, (error, derived) => (error ? reject(error) : resolve(derived)))
  })
}

function encode(bytes: Buffer): string {
  return bytes.toString('base64').replace(/=+$/, '')
}

// Only the one way to write these bytes: two texts are never the same hash.
function decode(text: string): Buffer | undefined {
  const bytes = Buffer.from(text, 'base64')
  return encode(bytes) === text ? bytes : undefined
}
