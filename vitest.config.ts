import { defineConfig } from 'vitest/config'

const OF_REDIS = ['test/crash/redis*.test.ts', 'test/flows/{roles,workers}.test.ts']
const OF_FILES = ['test/crash/{disk,fsync}.test.ts']

// What is told of a whole relay is told of both engines.
export default defineConfig({
  test: {
    testTimeout: 20_000,
    hookTimeout: 60_000,
    pool: 'forks',
    projects: [
      {
        extends: true,
        test: { name: 'sqlite', include: ['test/**/*.test.ts'], exclude: [...OF_REDIS] },
      },
      {
        extends: true,
        test: {
          name: 'bullmq',
          include: ['test/{flows,crash}/**/*.test.ts'],
          exclude: [...OF_FILES],
          globalSetup: 'test/peers/engine-setup.ts',
        },
      },
    ],
  },
})
