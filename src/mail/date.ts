// The moment as a header writes it.

/** RFC 5322 3.3, in UTC: `Sun, 22 Nov 2026 22:38:13 +0000`. The time is milliseconds since 1970. */
export function formatDate(time: number): string {
  return `${new Date(time).toUTCString().slice(0, -3)}+0000`
}
