#!/usr/bin/env bash
# OpenSSL 3.5 in Node 24: in `ecdhCurve`, where a group stands beside DEFAULT decides the size of the hello.
#
# DEFAULT asks for key shares of X25519MLKEM768 (1,216 bytes) and X25519. A group that is named again *before*
# DEFAULT keeps its place in the list of groups and loses its key share; named *after* DEFAULT it changes nothing.
# Both lists offer the same groups; one first flight is over 1,400 bytes and one under 500.
#
# Seen with Node 24.21.0 (OpenSSL 3.5.8), by the bytes of the first flight that a TCP server reads:
#   default                  over 1400
#   X25519MLKEM768:DEFAULT   under 500
#   DEFAULT:X25519MLKEM768   over 1400
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm init -y >/dev/null
npm install --silent --no-audit --no-fund --save-exact node@24.21.0 >/dev/null 2>&1
cat > hello.mjs <<'JS'
import { createServer } from 'node:net'
import { once } from 'node:events'
import { connect } from 'node:tls'

async function firstFlight(options) {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const arrived = once(server, 'connection').then(async ([socket]) => {
    const [bytes] = await once(socket, 'data')
    socket.destroy()
    return bytes.length
  })
  const { port } = server.address()
  const client = connect({ port, host: '127.0.0.1', servername: 'mx.far.example', ...options })
  client.on('error', () => {})
  const length = await arrived
  server.close()
  return length
}

console.log(process.version, process.versions.openssl)
for (const ecdhCurve of [undefined, 'X25519MLKEM768:DEFAULT', 'DEFAULT:X25519MLKEM768']) {
  const length = await firstFlight(ecdhCurve === undefined ? {} : { ecdhCurve })
  const size = length > 1400 ? 'over 1400' : length < 500 ? 'under 500' : `${length}`
  console.log(`${(ecdhCurve ?? 'default').padEnd(24)} ${size}`)
}
JS
node_modules/node/bin/node hello.mjs | tee seen
diff <(tail -3 seen) - <<'END'
default                  over 1400
X25519MLKEM768:DEFAULT   under 500
DEFAULT:X25519MLKEM768   over 1400
END
echo 'as stated'
