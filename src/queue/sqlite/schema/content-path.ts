// Where large content lies: a file of its own in the folder of the data.

import { join } from 'node:path'

export function contentPath(folder: string, key: string): string {
  return join(folder, 'content', key)
}
