// `waypost queue rebuild`: the queue made anew from the object store, after Redis was lost.

import type { Command } from 'commander'
import { printable } from '../../base/escape.ts'
import type { BucketAddress } from '../../queue/bullmq/s3/address.ts'
import type { Rebuilt } from '../../queue/bullmq/rebuild.ts'
import type { RedisPlace } from '../../queue/bullmq/place.ts'
import { CommandError, type Context } from '../context.ts'
import { jsonLine } from '../story/plain.ts'
import { command, type Act } from '../cli/program.ts'

/** Between two lines that say how far it is, in milliseconds. */
const EVERY = 2000

export function addRebuild(queue: Command, act: Act): void {
  command(
    queue,
    'rebuild',
    'Restore the queue from the object store after Redis was lost; what Redis knows of stays as it is, and relays may run meanwhile. Exit 1 when an object was broken',
    'queue rebuild --dry-run',
  )
    .option('--dry-run', 'only say what would be done')
    .action(act(rebuildQueue))
}

interface Options {
  readonly dryRun?: true
  readonly json?: true
}

async function rebuildQueue(context: Context, { dryRun, json }: Options): Promise<number> {
  const { content, ...place } = placeOf(context)
  const { rebuild } = await import('../../queue/bullmq/rebuild.ts')
  let told = context.clock.now()
  const rebuilt = await rebuild({
    ...place,
    content,
    who: context.who,
    dry: dryRun === true,
    signal: context.signal,
    broken: (object, why) =>
      context.complain(`waypost: Cannot restore ${printable(`${object}: ${why}`)}\n`),
    progress: (so) => {
      if (context.clock.now() - told < EVERY) return
      told = context.clock.now()
      context.complain(`${describe(so, dryRun)} so far …\n`)
    },
  }).catch((error: Error) => {
    throw new CommandError(error.message, 1, { cause: error })
  })
  context.print(json === true ? jsonLine(rebuilt) : `${describe(rebuilt, dryRun)}\n`)
  if (context.signal.aborted) context.complain('Interrupted; run it again for the rest\n')
  return rebuilt.broken === 0 && !context.signal.aborted ? 0 : 1
}

function placeOf(context: Context): RedisPlace & { readonly content: BucketAddress } {
  const { redis, data } = context.places()
  if (redis === undefined)
    throw new CommandError(
      `The queue is in "${data}", and its content with it: put a file of \`waypost backup\` there as queue.db instead`,
    )
  const { content } = redis
  if (content === undefined)
    throw new CommandError(
      'Content is in Redis: restore a backup of Redis instead, or set WAYPOST_CONTENT if it was in an object store',
    )
  return { ...redis, content }
}

function describe({ restored, known, arriving, leaving, broken }: Rebuilt, dry?: true): string {
  const parts = [
    `${restored} ${dry === true ? 'would be restored' : 'restored'}`,
    `${known} known to Redis`,
    ...(arriving === 0 ? [] : [`${arriving} arriving just now`]),
    ...(leaving === 0 ? [] : [`${leaving} not wanted any more`]),
    ...(broken === 0 ? [] : [`${broken} broken`]),
  ]
  return `Messages: ${parts.join(', ')}`
}
