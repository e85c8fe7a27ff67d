// One report out of many sinks. It never throws: telling what happened must not change
// what happens.

import type { RelayEvent, Report } from '../mail/event.ts'

export interface ReportSink {
  readonly report: Report
}

/** Tells every sink; a sink that fails is told to `onFailure` once, and goes on being told. */
export function createReport(
  sinks: readonly ReportSink[],
  onFailure: (error: unknown) => void = () => {},
): Report {
  const failed = new Set<ReportSink>()
  return (event: RelayEvent) => {
    for (const sink of sinks) {
      try {
        sink.report(event)
      } catch (error) {
        if (failed.has(sink)) continue
        failed.add(sink)
        onFailure(error)
      }
    }
  }
}
