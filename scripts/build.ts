// Builds dist/, or the folder that is named, which a package runs: Node does not strip types inside
// node_modules. What a command needs is in few files, since each costs a command a millisecond, and in
// CommonJS, since an `import` of a module of Node asks for all that it exports and so loads much of Node.
// The Lua of the Redis engine and the configuration that `waypost init` copies go along.

import { cpSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import type { Plugin, RolldownOutput } from 'rolldown'
import { copyShipped } from './shipped.ts'

const { rolldown } = await import('rolldown').catch((cause: unknown) => {
  // npm leaves out what its own Node is too old for, and says so in one warning among hundreds.
  const write = 'npm install -g --prefix /usr/local node@24, then npm ci'
  throw new Error(`Cannot build: npm ci ran on a Node before 20.19; write: ${write}`, { cause })
})

/** What commands share that ask a relay and print its answer: one file, that would be ten. */
const COMMON =
  /\/src\/admin\/(query\/\w+|story\/(holds|plain|times)|control\/(reach|remote|socket|wire)|cli\/(options|table|wrap))\.ts$/

/** What commands share with the threads of the embedded queue, which must not load a command. */
const SHARED = /\/src\/(base\/package|mail\/(address|outcome))\.ts$/

/** What tells the story of a message, and writes it on a terminal: one file as well. */
const STORY = /\/src\/admin\/(story|cli)\/story\.ts$/

/**
 * Commander can start programs, and ours has none: what that takes is loaded when it is asked for. An
 * `import` of a module's default would copy all its names.
 */
const leanCommander: Plugin = {
  name: 'lean-commander',
  transform: {
    filter: { id: /node_modules\/commander\// },
    handler: (code) =>
      code
        .replace("import process from 'node:process';", '')
        .replace(
          "import childProcess from 'node:child_process';",
          "const childProcess = { get spawn() { return process.getBuiltinModule('node:child_process').spawn } };",
        )
        .replace(
          /^import (\w+) from '(node:\w+)';$/gm,
          "const $1 = process.getBuiltinModule('$2');",
        ),
  },
}

const folder = process.argv[2] ?? 'dist'
rmSync(folder, { recursive: true, force: true })
await using bundle = await rolldown({
  input: {
    cli: 'src/cli.ts',
    worker: 'src/queue/sqlite/write/worker.ts',
    'reader-thread': 'src/queue/sqlite/read/reader-thread.ts',
  },
  platform: 'node',
  plugins: [leanCommander],
  // Packages stay packages, but for the one that every command needs.
  external: (name) => !/^[./]/.test(name) && name !== 'commander',
  preserveEntrySignatures: 'allow-extension',
})
const built = await bundle.write({
  dir: folder,
  format: 'cjs',
  entryFileNames: '[name].cjs',
  chunkFileNames: '[name].cjs',
  comments: false,
  codeSplitting: {
    groups: [
      { name: 'common', test: COMMON, includeDependenciesRecursively: false },
      { name: 'shared', test: SHARED, includeDependenciesRecursively: false },
      { name: 'story', test: STORY, includeDependenciesRecursively: false },
    ],
  },
})
for (const thread of ['worker.cjs', 'reader-thread.cjs'])
  if (loadedBy(thread, built).has('cli.cjs'))
    throw new Error(`${thread} loads cli.cjs, which would run the command once more in that thread`)
cpSync('src/queue/bullmq/lua', join(folder, 'lua'), { recursive: true })
// Standard output is npm's, which prints the name of the package there.
copyShipped('.', join(folder, 'shipped'), (text) => process.stderr.write(text))

function loadedBy(name: string, { output }: RolldownOutput): Set<string> {
  const loaded = new Set([name])
  for (const each of loaded) {
    const chunk = output.find(({ fileName }) => fileName === each)
    if (chunk?.type === 'chunk') for (const other of chunk.imports) loaded.add(other)
  }
  return loaded
}
