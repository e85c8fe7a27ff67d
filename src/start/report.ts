// Starts what tells: the log, the metrics, and what is remembered of refused mail.

import { version } from '../base/package.ts'
import { createLog } from '../events/log.ts'
import { createMetrics, type Metrics } from '../events/metrics.ts'
import { noteTo, type Note } from '../events/note.ts'
import { RefusedMail } from '../events/refused-mail.ts'
import { createReport } from '../events/report.ts'
import type { CertificateSource } from '../listen/certificate.ts'
import type { Report } from '../mail/event.ts'
import type { PolicySource } from '../policy/policy.ts'
import type { Queue } from '../queue/port/queue.ts'
import type { Settings } from '../settings/settings.ts'
import type { World } from './world.ts'

interface Watched {
  readonly queue: Queue
  readonly policies: PolicySource
  readonly certificate: CertificateSource | undefined
}

export interface Told extends AsyncDisposable {
  readonly report: Report
  readonly note: Note
  readonly metrics: Metrics
  readonly refused: RefusedMail
  /** From here on a scrape counts what is in the queue, and looks at what this relay goes by. */
  watch(parts: Watched): void
}

export function openReport(settings: Settings, { clock, output, terminal, watch }: World): Told {
  const { log: wish } = settings.process
  const format = wish === 'auto' ? (terminal ? 'text' : 'json') : wish
  const log = createLog({ output, format })
  let watched: Watched | undefined
  const metrics = createMetrics({
    version: version(),
    queue: () => watched?.queue,
    queues: () => watched?.policies.current().queues ?? [],
    policiesSound: () => watched?.policies.problem() === undefined,
    certificateEnd: () => watched?.certificate?.end(),
    now: () => clock.now(),
    droppedLines: () => log.dropped,
  })
  const refused = new RefusedMail()
  const report = createReport([
    log,
    metrics,
    refused,
    ...(watch === undefined ? [] : [{ report: watch }]),
  ])
  const note = noteTo(report, clock)
  for (const warning of settings.warnings) note('warn', warning)
  return {
    report,
    note,
    metrics,
    refused,
    watch: (parts) => void (watched = parts),
    [Symbol.asyncDispose]: () => log[Symbol.asyncDispose](),
  }
}
