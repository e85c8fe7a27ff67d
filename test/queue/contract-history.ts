// The contract, history: all facts of all messages have one order, which whoever follows reads from a cursor on.

import { expect, test } from 'vitest'

import type { Change, Fact, Since } from '../../src/queue/port/history.ts'
import type { QueueReader } from '../../src/queue/port/reader.ts'
import type { Open } from './contract.ts'
import { attempt, deferred, delivered, HOUR, mailOf, send, takeOne, WHO } from './mail.ts'

/** Where to go on after a page. */
export async function page(queue: QueueReader, since: Since): Promise<{ cursor: string }> {
  const found = await queue.changes(since, 10)
  if (found.kind === 'gone') throw new Error('It should be kept')
  return { cursor: found.cursor }
}

/** From the oldest to the newest, in pages. */
export async function allChanges(queue: QueueReader, count = 100): Promise<Change[]> {
  const all: Change[] = []
  for (let since: Since = 'oldest'; ;) {
    const found = await queue.changes(since, count)
    if (found.kind === 'gone') throw new Error('It should be kept')
    all.push(...found.changes)
    if (found.changes.length === 0) return all
    since = { cursor: found.cursor }
  }
}

export function contractOfHistory(open: Open): void {
  test('what happens to all messages has one order, in which each fact is told once', async () => {
    await using opened = await open()
    const { queue, clock } = opened
    const far = await send(queue, clock)
    const other = await send(queue, clock, { to: ['x@other.example', 'y@other.example'] })
    const { delivery, lease } = await takeOne(queue)
    const later = clock.now() + HOUR
    await queue.settle(
      delivery,
      attempt(clock, delivery, (n) => deferred(n, later)),
    )
    await queue.steer('hold', { ids: [other] }, WHO)
    await queue.release(lease)

    const all = await allChanges(queue)
    expect(all.map(({ message, fact }) => [message, fact.kind])).toEqual([
      [far, 'accepted'],
      [other, 'accepted'],
      [delivery.message, 'settled'],
      [other, 'act'],
    ])
    for (const id of [far, other]) {
      const its = all.filter(({ message }) => message === id).map(({ fact }) => fact)
      expect((await queue.trace(id))!.facts).toEqual(its)
    }
    expect(await allChanges(queue, 1)).toEqual(all)
    expect(new Set(all.map(({ cursor }) => cursor)).size).toBe(4)
  })

  test('whoever follows is told what comes after its cursor, and none of it twice', async () => {
    await using opened = await open()
    const { queue, clock } = opened
    const start = await page(queue, 'newest')
    await send(queue, clock)
    const end = await page(queue, 'newest')
    expect(await page(queue, start)).toEqual(end)
    expect(await queue.changes(end, 10)).toEqual({ kind: 'changes', changes: [], ...end })
    const id = await send(queue, clock)
    const found = await queue.changes(end, 10)
    expect(found).toMatchObject({ changes: [{ message: id, fact: { kind: 'accepted' } }] })
  })

  test('nothing is put in before where somebody has read', async () => {
    await using opened = await open()
    const { queue, clock } = opened
    const mails = await Promise.all(Array.from({ length: 60 }, () => mailOf(queue, clock, {})))
    const accepted = Promise.all(mails.toReversed().map((mail) => queue.accept(mail)))
    const seen: Change[] = []
    for (let since: Since = 'oldest'; seen.length < mails.length;) {
      const found = await queue.changes(since, 7)
      if (found.kind === 'gone') throw new Error('It should be kept')
      seen.push(...found.changes)
      since = { cursor: found.cursor }
    }
    await accepted
    expect(await allChanges(queue)).toEqual(seen)
    expect(new Set(seen.map(({ message }) => message)).size).toBe(mails.length)
  })

  test('a notice is accepted in the step that tells of it, under the id that it has', async () => {
    await using opened = await open()
    const { queue, clock } = opened
    await send(queue, clock)
    const { delivery } = await takeOne(queue)
    const notice = await mailOf(queue, clock, { from: '', to: ['ana@near.example'] })
    const results = [delivered(0)]
    await queue.settle(delivery, { at: clock.now(), results, notices: [notice] })
    const facts: Fact[] = (await allChanges(queue)).map(({ fact }) => fact)
    expect(facts).toMatchObject([
      { kind: 'accepted' },
      { kind: 'settled', notices: [notice.id] },
      { kind: 'accepted', envelope: { recipients: [{ address: { local: 'ana' } }] } },
    ])
  })

  test('a text that is no cursor is refused', async () => {
    await using opened = await open()
    await expect(opened.queue.changes({ cursor: 'Not one' }, 5)).rejects.toThrow('is no cursor')
  })
}
