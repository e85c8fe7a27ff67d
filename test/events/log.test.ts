import { expect, test } from 'vitest'
import { createLog, type LogOutput } from '../../src/events/log.ts'
import { ATTEMPTED, ENDED, NOTE } from './events.ts'

interface Pipe extends LogOutput {
  readonly texts: string[]
  /** Lets what was written last be taken. */
  take(): void
}

function createPipe(blocked = false): Pipe {
  const texts: string[] = []
  let waiting: (() => void) | undefined
  return {
    texts,
    write(text, done) {
      texts.push(text)
      if (blocked) waiting = done
      else setImmediate(done)
    },
    take() {
      waiting?.()
    },
  }
}

function linesOf(pipe: Pipe): Record<string, unknown>[] {
  const text = pipe.texts.join('')
  return text
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as Record<string, unknown>)
}

test('an attempt is one JSON line named by its outcome, with times in ISO 8601', async () => {
  const pipe = createPipe()
  await using log = createLog({ output: pipe, format: 'json' })
  log.report(ATTEMPTED)
  await log[Symbol.asyncDispose]()
  expect(linesOf(pipe)).toEqual([
    {
      time: '2026-11-22T12:00:00.000Z',
      event: 'deferred',
      id: 'm1',
      delivery: 'm1-1',
      from: 'ana@near.example',
      to: 'bo@far.example',
      queue: 'default',
      destination: 'far.example',
      host: 'mx.far.example',
      tls: 'TLSv1.3',
      verified: false,
      stage: 'rcpt',
      by: 'server',
      reply: '450 4.7.1 Come back later',
      attempts: 1,
      milliseconds: 250,
      next: '2026-11-22T12:01:00.000Z',
    },
  ])
})

test('a delivery is told once: by its attempt, not again by its end', async () => {
  const pipe = createPipe()
  const log = createLog({ output: pipe, format: 'json' })
  log.report(ENDED)
  log.report({ ...ENDED, end: 'bounced', notice: 'sent' })
  await log[Symbol.asyncDispose]()
  expect(linesOf(pipe)).toMatchObject([{ event: 'bounced', notice: 'sent' }])
})

test('what a server says cannot steer a terminal, in either format', async () => {
  const text = 'a\x1b[2Jb\u009bc\u202ed\ne'
  const outcome = { ...ATTEMPTED.outcome, reply: { code: 450, text } }
  for (const format of ['json', 'text'] as const) {
    const pipe = createPipe()
    const log = createLog({ output: pipe, format })
    log.report({ ...ATTEMPTED, outcome })
    await log[Symbol.asyncDispose]()
    expect(pipe.texts.join('').trimEnd()).toMatch(/^[\x20-\x7e]+$/)
  }
})

test('while the pipe is blocked lines are kept up to the limit, then dropped and counted', async () => {
  const pipe = createPipe(true)
  const log = createLog({ output: pipe, format: 'text', limit: 500 })
  log.report(NOTE)
  await new Promise(setImmediate)
  for (let n = 0; n < 100; n++) log.report(NOTE)
  expect(log.dropped).toBeGreaterThan(50)
  expect(pipe.texts).toHaveLength(1)
  pipe.take()
  expect(pipe.texts[1]).toContain(`${log.dropped} log lines were dropped`)
  pipe.take()
})

test('a log that is off writes nothing', async () => {
  const pipe = createPipe()
  const log = createLog({ output: pipe, format: 'off' })
  log.report(NOTE)
  await log[Symbol.asyncDispose]()
  expect(pipe.texts).toEqual([])
})

test('a reader that is gone does not stop the relay, and what it misses is counted', async () => {
  const throws = (): never => {
    throw new Error('EPIPE')
  }
  const fails = (_text: string, done: (error: Error) => void): void => done(new Error('EPIPE'))
  for (const write of [throws, fails]) {
    const log = createLog({ output: { write }, format: 'json' })
    log.report(NOTE)
    await log[Symbol.asyncDispose]()
    log.report(NOTE)
    log.report(NOTE)
    await log[Symbol.asyncDispose]()
    expect(log.dropped).toBe(2)
  }
})

test('a note of several mistakes has a line for each on a terminal', async () => {
  const pipe = createPipe()
  await using log = createLog({ output: pipe, format: 'text' })
  log.report({ ...NOTE, cause: '2 mistakes\nrelay.yaml:1: so\nrelay.yaml:2: \x1b[31mso' })
  await log[Symbol.asyncDispose]()
  const [first, ...rest] = pipe.texts.join('').trimEnd().split('\n')
  expect(first).toMatch(/: 2 mistakes$/)
  expect(rest.map((line) => line.trim())).toEqual(['relay.yaml:1: so', 'relay.yaml:2: \\x1b[31mso'])
})

test('an act of an operator is a sentence, with a reason where one was given', async () => {
  const pipe = createPipe()
  await using log = createLog({ output: pipe, format: 'text' })
  const act = { kind: 'steered', at: 0, act: 'retry', what: 'id m1', who: 'root' } as const
  log.report({ ...act, count: 1, busy: 0, why: '' })
  log.report({ ...act, count: 2, busy: 1, why: 'their outage is over' })
  await log[Symbol.asyncDispose]()
  const lines = pipe.texts.join('').trimEnd().split('\n')
  expect(lines.map((line) => line.slice('00:00:00 '.length))).toEqual([
    'retry      id m1 by root: 1 recipient',
    'retry      id m1 by root: 2 recipients, 1 after their attempt: their outage is over',
  ])
})
