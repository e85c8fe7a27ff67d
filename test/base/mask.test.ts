// Addresses with secrets in them, also in the wrong places.

import { expect, test } from 'vitest'
import { withoutSecrets } from '../../src/base/mask.ts'

const cases: [text: string, shown: string][] = [
  ['redis://127.0.0.1:6379/0', 'redis://127.0.0.1:6379/0'],
  ['redis://:hush@127.0.0.1:6379/0', 'redis://…@127.0.0.1:6379/0'],
  ['rediss://me:hu@sh@db.example', 'rediss://…@db.example'],
  ['redis://db.example:hush', 'redis://db.example:…'],
  ['redis://db.example:hush/0', 'redis://db.example:…/0'],
  ['redis://db.example?password=hush&db=1', 'redis://db.example?password=…&db=1'],
  [
    'redis+sentinel://10.0.0.1:26379,10.0.0.2:hush/name',
    'redis+sentinel://10.0.0.1:26379,10.0.0.2:…/name',
  ],
  ['redis://[::1]:6379', 'redis://[::1]:6379'],
  ['redis://::1', 'redis://::1'],
  ['db.example:hush', 'db.example:…'],
  [':hush@db.example', '…@db.example'],
  ['smtp://127.0.0.1:2525,smtp://[::]:25', 'smtp://127.0.0.1:2525,smtp://[::]:25'],
]
for (const [text, shown] of cases)
  test(`"${text}" is shown as "${shown}"`, () => {
    expect(withoutSecrets(text)).toBe(shown)
  })
