// Builds dist/, which a package runs: Node does not strip types inside node_modules. What a command
// needs is in few files, since each costs a command a millisecond, and in CommonJS, since an `import`
// of a module of Node asks for all that it exports and so loads much of Node. The Lua of the Redis
// engine and the configuration that `waypost init` copies go along.

import { cpSync, rmSync } from 'node:fs'
import { copyShipped } from './shipped.ts'

const { rolldown } = await import('rolldown').catch((cause: unknown) => {
  // npm leaves out what its own Node is too old for, and says so in one warning among hundreds.
  const write = 'npm install -g --prefix /usr/local node@24, then npm ci'
  throw new Error(`Cannot build: npm ci ran on a Node before 20.19; write: ${write}`, { cause })
})
rmSync('dist', { recursive: true, force: true })
await using bundle = await rolldown({
  input: {
    cli: 'src/cli.ts',
    worker: 'src/queue/sqlite/worker.ts',
    'reader-thread': 'src/queue/sqlite/reader-thread.ts',
  },
  platform: 'node',
  // Packages stay packages, but for the one that every command needs.
  external: (name) => !/^[./]/.test(name) && name !== 'commander',
})
await bundle.write({
  dir: 'dist',
  format: 'cjs',
  entryFileNames: '[name].cjs',
  chunkFileNames: '[name].cjs',
})
cpSync('src/queue/bullmq/lua', 'dist/lua', { recursive: true })
// Standard output is npm's, which prints the name of the package there.
copyShipped('.', 'dist/shipped', (text) => process.stderr.write(text))
