// What we sent to log in, taken out of what a server says: some quote the command that they refuse,
// and applications, their users and the log read those words.

/** Shorter pieces of a word that we sent tell nothing, and may be anything. */
const TELLING = 4

/** Puts `…` for the password, and for what was sent of it in base64, whole or in part. */
export function hiderOf(user: string, password: string): (text: string) => string {
  const words = [`\0${user}\0${password}`, `${user}\0${user}\0${password}`, user, password].map(
    (secret) => Buffer.from(secret).toString('base64').replace(/=+$/, ''),
  )
  const isOurs = (piece: string): boolean =>
    words.some((word) => word === piece || (piece.length >= TELLING && overlaps(word, piece)))
  const plain = literally(password)
  return (text) =>
    text
      .replace(/[a-z0-9+/]{2,}={0,2}/gi, (piece) =>
        isOurs(piece.replace(/=+$/, '')) ? '…' : piece,
      )
      .replace(plain, '…')
}

function overlaps(word: string, piece: string): boolean {
  return word.includes(piece) || (word.length >= TELLING && piece.includes(word))
}

// A password of two letters would be found in every other word.
function literally(password: string): RegExp {
  if (password === '') return /(?!)/
  const escaped = RegExp.escape(password)
  if (password.length >= TELLING) return new RegExp(escaped, 'gi')
  return new RegExp(`(?<![\\p{L}\\p{N}])${escaped}(?![\\p{L}\\p{N}])`, 'giu')
}
