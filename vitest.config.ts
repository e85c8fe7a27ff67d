import { randomInt } from 'node:crypto'
import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import { defineConfig } from 'vitest/config'
import { PATIENCE } from './test/peers/patience.ts'

// Of every process of a run, those that tests start too: one seed of all chance, and no file compiled twice.
const environment = process.env
environment['WAYPOST_TEST_SEED'] ??= String(randomInt(1e9))
environment['NODE_COMPILE_CACHE'] ??= join(import.meta.dirname, 'node_modules/.cache/tests')
const isFull = environment['WAYPOST_TEST_FULL'] === '1'

// Whole relays, and programs that are started.
const WHOLE = 'test/{flows,crash,deploy,scripts}/**/*.test.ts'
// These change what all of a process shares, or look at what it has loaded.
const ALONE = ['test/queue/disk.test.ts', 'test/admin/loads.test.ts']
const OF_REDIS = ['test/crash/redis*.test.ts', 'test/flows/{roles,workers}.test.ts']
const OF_FILES = ['test/crash/{disk,fsync}.test.ts']
// What is told of a whole relay is told of both engines; but these only pass through the queue.
const TOLD_ONCE =
  'test/flows/{install,interop-clients,interop-servers,signals,signing,submission,tls}.test.ts'

console.warn(
  `WAYPOST_TEST_SEED=${environment['WAYPOST_TEST_SEED']} gives the chance of this run again`,
  isFull
    ? '\nThe full form'
    : `\nThe ordinary form: a tenth of the repetitions, and of the embedded engine alone ${TOLD_ONCE}` +
        '\nWAYPOST_TEST_FULL=1 runs all; test/README.md says what else that adds',
)

export default defineConfig({
  test: {
    // More than what a test waits for once (`test/peers/patience.ts`).
    testTimeout: 2 * PATIENCE,
    expect: { poll: { timeout: PATIENCE } },
    hookTimeout: 60_000,
    pool: 'forks',
    // Much of what they do is waiting: for processes to start, for syncs, for time to pass.
    maxWorkers: Math.max(4, availableParallelism()),
    projects: [
      {
        extends: true,
        // Their files share processes, so that what they load is loaded a few times and not a hundred.
        test: {
          name: 'units',
          include: ['test/**/*.test.ts'],
          exclude: [WHOLE, ...ALONE],
          isolate: false,
        },
      },
      {
        extends: true,
        test: { name: 'embedded', include: [WHOLE, ...ALONE], exclude: [...OF_REDIS] },
      },
      {
        extends: true,
        test: {
          name: 'redis',
          include: ['test/{flows,crash}/**/*.test.ts'],
          exclude: [...OF_FILES, ...(isFull ? [] : [TOLD_ONCE])],
          globalSetup: 'test/peers/engine-setup.ts',
        },
      },
    ],
  },
})
