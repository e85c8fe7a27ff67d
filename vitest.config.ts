import { defineConfig } from 'vitest/config'

// What is told of a whole relay is told of both engines.
export default defineConfig({
  test: {
    testTimeout: 20_000,
    hookTimeout: 60_000,
    pool: 'forks',
    projects: [
      { extends: true, test: { name: 'sqlite', include: ['test/**/*.test.ts'] } },
      {
        extends: true,
        test: {
          name: 'bullmq',
          include: ['test/{flows,crash}/**/*.test.ts'],
          // Of files and their syncs.
          exclude: ['test/crash/{disk,fsync}.test.ts'],
          globalSetup: 'test/peers/engine.ts',
        },
      },
    ],
  },
})
