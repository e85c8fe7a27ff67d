import { Command } from 'commander'
import { expect, test } from 'vitest'
import { filesOf } from '../../src/admin/commands.ts'
import { waypost } from './run.ts'

test('a file has the commands that the table of files says, in that order', async () => {
  for (const { group, names, load } of filesOf([])) {
    const parent = new Command(group)
    const add = await load()
    add(parent, () => async () => {})
    expect(parent.commands.map((each) => each.name())).toEqual(names)
  }
})

test('the words of a command load the one file that has it', () => {
  for (const { group, names } of filesOf([]))
    for (const name of names) {
      const words = [...(group === undefined ? [] : [group]), name, '--json', 'ID']
      const files = filesOf(words)
      expect(files).toHaveLength(1)
      expect(files[0]).toMatchObject({ names, ...(group === undefined ? {} : { group }) })
    }
})

test('what was meant by a wrong word is looked for among all that there are', async () => {
  const cases: [words: string, says: string][] = [
    ['statsu', '(Did you mean status?)'],
    ['queue lits', '(Did you mean list?)'],
    ['queue relaese', '(Did you mean release?)'],
    ['user ad', '(Did you mean add?)'],
    ['key', 'Usage: waypost key'],
    ['queue --json list', "unknown option '--json'"],
    ['queue help hold', 'Usage: waypost queue hold'],
    ['help queue rebuild', 'Usage: waypost queue'],
    ['-- queue show', "missing required argument 'id'"],
  ]
  for (const [words, says] of cases) {
    const { out, err } = await waypost(words)
    expect([words, out + err]).toEqual([words, expect.stringContaining(says)])
  }
})
