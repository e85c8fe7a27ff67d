import { mkdtemp, readdir, readFile, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createTransport } from 'nodemailer'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { startSink } from '../../src/sink/sink.ts'
import { waypost } from './run.ts'

let folder = ''

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'waypost-sink-'))
})
afterEach(() => rm(folder, { recursive: true, force: true }))

test('the sink tells of each message, keeps it when asked to, and ends with Ctrl-C', async () => {
  const stop = new AbortController()
  const saved = join(folder, 'saved')
  let [told, listening] = ['', '']
  const context = {
    signal: stop.signal,
    print: (text: string) => void (told += text),
    complain: (text: string) => void (listening += text),
  }
  const running = waypost(`sink --listen 127.0.0.1:0 --save ${saved} --json`, { context })
  await expect.poll(() => listening).toMatch(/listens on 127\.0\.0\.1:\d+; Ctrl-C ends it/)
  const port = Number(/:(\d+);/.exec(listening)?.[1])
  const client = createTransport({ host: '127.0.0.1', port, ignoreTLS: true })
  await client.sendMail({ from: 'ana@near.example', to: 'bo@far.example', text: 'Hello' })
  client.close()
  const { file, ...event } = JSON.parse(told) as { file: string }
  expect(event).toMatchObject({ kind: 'taken', from: 'ana@near.example', to: ['bo@far.example'] })
  expect(await readdir(saved)).toHaveLength(1)
  // Mail is its reader's alone, whatever the umask.
  expect([await modeOf(saved), await modeOf(file)]).toEqual([0o700, 0o600])
  expect(await readFile(file, 'utf8')).toMatch(/^From: ana@near\.example\r\n[^]*Hello\r\n$/)
  stop.abort()
  expect((await running).code).toBe(0)
})

async function modeOf(path: string): Promise<number> {
  return (await stat(path)).mode & 0o777
}

test('a port that is taken is told in words', async () => {
  await using other = await startSink({ host: '127.0.0.1', port: 0 })
  const { code, err } = await waypost(`sink --listen 127.0.0.1:${other.port}`)
  expect(code).toBe(1)
  expect(err).toContain('another program listens there')
})
