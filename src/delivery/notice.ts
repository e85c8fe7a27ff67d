// Notices: the mail that the relay writes to a sender when recipients failed, wait or (when asked)
// arrived, as RFC 3461, 3464 and 6522 have it. The first paragraph is for a person, the rest for
// programs; whatever strangers said in it is escaped.

import type { NewMail } from '../queue/port.ts'
import type { NoticeOptions, NoticeReport } from './notice-report.ts'

/** `undefined`: there is nobody to tell (null sender), or no way to tell it (no rule routes to the sender). */
export async function composeNotice(
  _options: NoticeOptions,
  _report: NoticeReport,
): Promise<NewMail | undefined> {
  throw new Error('Notices are not written yet')
}
