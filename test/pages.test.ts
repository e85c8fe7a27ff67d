// The pages of the project, as somebody reads them who follows their links.

import { existsSync, globSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { expect, test } from 'vitest'

const ROOT = join(import.meta.dirname, '..')
const PAGES = globSync(['*.md', '{src,policies,queues,scripts,test}/**/*.md'], { cwd: ROOT })

for (const page of PAGES)
  test(`every link of ${page} leads somewhere`, () => {
    for (const [, link = ''] of textOf(page).matchAll(/\]\(([^)\s]+)\)/g)) {
      if (/^[a-z]+:/.test(link)) continue
      const [file = '', part] = link.split('#')
      const target = file === '' ? page : join(dirname(page), file)
      expect(existsSync(join(ROOT, target)), link).toBe(true)
      if (part !== undefined) expect(partsOf(target), link).toContain(part)
    }
  })

test('commands are written so that they fetch nobody else’s package', () => {
  for (const page of PAGES)
    expect(textOf(page), page).not.toMatch(/\bnpx (?!--no |vitest|prettier)/)
})

function textOf(page: string): string {
  return readFileSync(join(ROOT, page), 'utf8')
}

/** The headings, as GitHub makes anchors of them. */
function partsOf(page: string): string[] {
  const titles = [...textOf(page).matchAll(/^#+ (.+)$/gm)].map(([, title = '']) => title)
  return titles.map((title) =>
    title
      .toLowerCase()
      .replaceAll(/[^\w\s-]/g, '')
      .replaceAll(' ', '-'),
  )
}
