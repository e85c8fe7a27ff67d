// All commands of `waypost`, and which file has which. A file is loaded when the words given name
// one of its commands; all of them only for help, or to find what was meant by a wrong word; none
// for the version.

import type { Command } from 'commander'
import type { Context } from './context.ts'
import { runProgram, type Group } from './cli/program.ts'

interface File {
  /** The word before, for commands of two words. */
  readonly group?: keyof typeof GROUPS
  readonly names: readonly string[]
  readonly load: () => Promise<Group>
}

const GROUPS = {
  queue: 'See and steer the queue',
  policy: 'Check the policy files, and what they would do',
  user: 'Who may log in: add, list and remove users',
  key: 'Make DKIM keys, and check that DNS publishes them',
} as const

const VERSION = ['-v', '--version']

/** In the order of the help. */
const FILES: readonly File[] = [
  {
    names: ['start', 'settings'],
    load: async () => (await import('./commands/settings.ts')).settingsCommands,
  },
  {
    names: ['init'],
    load: async () => (await import('./commands/init.ts')).initCommands,
  },
  {
    names: ['status', 'processes'],
    load: async () => (await import('./commands/status.ts')).statusCommands,
  },
  {
    group: 'queue',
    names: ['list', 'show'],
    load: async () => (await import('./commands/queue.ts')).addReading,
  },
  {
    group: 'queue',
    names: ['content'],
    load: async () => (await import('./commands/content.ts')).addContent,
  },
  {
    group: 'queue',
    names: ['counts'],
    load: async () => (await import('./commands/counts.ts')).addCounts,
  },
  {
    group: 'queue',
    names: ['holds'],
    load: async () => (await import('./commands/queue.ts')).addHolds,
  },
  {
    group: 'queue',
    names: ['retry', 'hold', 'release', 'refuse', 'cancel'],
    load: async () => (await import('./commands/steer.ts')).addSteering,
  },
  {
    group: 'queue',
    names: ['rebuild'],
    load: async () => (await import('./commands/rebuild.ts')).addRebuild,
  },
  {
    names: ['trace'],
    load: async () => (await import('./commands/trace.ts')).traceCommands,
  },
  {
    names: ['send'],
    load: async () => (await import('./commands/send.ts')).sendCommands,
  },
  {
    names: ['sink'],
    load: async () => (await import('./commands/sink.ts')).sinkCommands,
  },
  {
    group: 'policy',
    names: ['route'],
    load: async () => (await import('./commands/route.ts')).addRoute,
  },
  {
    group: 'policy',
    names: ['explain', 'schema'],
    load: async () => (await import('./commands/manual.ts')).addManual,
  },
  {
    group: 'policy',
    names: ['check'],
    load: async () => (await import('./commands/policy.ts')).addPolicy,
  },
  {
    group: 'user',
    names: ['add', 'password', 'list', 'remove'],
    load: async () => (await import('./commands/user.ts')).addUsers,
  },
  {
    group: 'key',
    names: ['new', 'check'],
    load: async () => (await import('./commands/key.ts')).addKeys,
  },
  {
    names: ['backup'],
    load: async () => (await import('./commands/backup.ts')).backupCommands,
  },
]

/** Runs one command and answers with its exit code. */
export async function runCommands(words: readonly string[], context: Context): Promise<number> {
  const groups: Group[] = []
  for (const { group, load } of filesOf(words)) {
    const add = await load()
    groups.push(group === undefined ? add : (program, act) => add(parentOf(program, group), act))
  }
  return runProgram(words, context, groups)
}

/** The one file that has the command; else all that might have it. */
export function filesOf([first = '', second = '']: readonly string[]): readonly File[] {
  if (VERSION.includes(first)) return []
  const group = FILES.filter((file) => file.group === first)
  const exact =
    group.length > 0
      ? group.filter(({ names }) => names.includes(second))
      : FILES.filter((file) => file.group === undefined && file.names.includes(first))
  if (exact.length > 0) return exact
  return group.length > 0 ? group : FILES
}

function parentOf(program: Command, group: keyof typeof GROUPS): Command {
  const made = program.commands.find((each) => each.name() === group)
  return made ?? program.command(group).description(GROUPS[group])
}
