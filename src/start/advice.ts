// What to do when a part cannot start.

export const ADVICE = {
  data: 'WAYPOST_DATA names a folder that is this relay’s alone',
  certificate: 'WAYPOST_TLS_CERT and WAYPOST_TLS_KEY name a PEM certificate chain and its key',
  admin: 'set WAYPOST_ADMIN to another address, or to none',
  listen: 'set WAYPOST_LISTEN to another address',
} as const

export async function advised<T>(part: Promise<T>, advice: string): Promise<T> {
  try {
    return await part
  } catch (error) {
    throw new Error(`${(error as Error).message}; ${advice}`, { cause: error })
  }
}
