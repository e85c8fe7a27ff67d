// Compiles src/ to dist/: types stripped, declarations beside, and the Lua of the Redis engine as it
// is. Node does not strip types inside node_modules, so an installed tarball runs JavaScript. The
// configuration that `waypost init` copies goes along.

import { spawnSync } from 'node:child_process'
import { cpSync, rmSync } from 'node:fs'
import { copyShipped } from './shipped.ts'

rmSync('dist', { recursive: true, force: true })
const { status } = spawnSync(
  process.execPath,
  ['node_modules/typescript/bin/tsc', '-p', 'tsconfig.build.json'],
  {
    stdio: 'inherit',
  },
)
cpSync('src/queue/bullmq/lua', 'dist/queue/bullmq/lua', { recursive: true })
// Standard output is npm's, which prints the name of the package there.
copyShipped('.', 'dist/shipped', (text) => process.stderr.write(text))
process.exitCode = status ?? 1
