#!/usr/bin/env bash
# dns-packet 5.6.1: a TXT string of more than 255 bytes becomes a packet that nobody can read, and nothing says so.
#
# A DKIM record with a 2048-bit RSA key has about 400 bytes, and TXT holds strings of at most 255 (RFC 1035 3.3.14).
# `encode` takes a longer string, writes all of its bytes, and of its length only the lowest eight bits: what follows
# is read as further strings, or as nothing at all. The same text as an array of shorter strings is right, and readers
# of DKIM put them together (RFC 6376 3.6.2.2). Test name servers that are built with it publish small keys only.
#
# Seen:
#   255 bytes, one string: read as 255
#   256 bytes, one string: cannot be read
#   400 bytes, one string: cannot be read
#   400 bytes, two strings: read as 255 145
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm init -y >/dev/null
npm install --silent --no-audit --no-fund --save-exact dns-packet@5.6.1 >/dev/null 2>&1
cat > txt.mjs <<'JS'
import { decode, encode } from 'dns-packet'

const key = (bytes) => `v=DKIM1; p=${'A'.repeat(bytes - 11)}`
for (const [what, data] of [
  ['255 bytes, one string', key(255)],
  ['256 bytes, one string', key(256)],
  ['400 bytes, one string', key(400)],
  ['400 bytes, two strings', [key(400).slice(0, 255), key(400).slice(255)]],
]) {
  const answers = [{ type: 'TXT', name: 's2026._domainkey.near.example', data }]
  const packet = encode({ type: 'response', id: 1, answers })
  try {
    const [{ data: read }] = decode(packet).answers
    console.log(`${what}: read as ${read.map(({ length }) => length).join(' ')}`)
  } catch {
    console.log(`${what}: cannot be read`)
  }
}
JS
node txt.mjs | tee seen
diff seen - <<'END'
255 bytes, one string: read as 255
256 bytes, one string: cannot be read
400 bytes, one string: cannot be read
400 bytes, two strings: read as 255 145
END
echo 'as stated'
