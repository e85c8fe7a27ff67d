// Before the tests of a project whose relays keep their mail in Redis: starts one for all of them.

import type { TestProject } from 'vitest/node'
import { startRedis } from './redis.ts'

declare module 'vitest' {
  export interface ProvidedContext {
    redis: string | undefined
  }
}

/** Answers with what stops it. */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const server = await startRedis()
  project.provide('redis', server.url)
  return () => server[Symbol.asyncDispose]()
}
