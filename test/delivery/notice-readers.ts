// Readers of notices that are not ours: Python's email package, flufl.bounce and Sisimai.

import { execFile } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'

const run = promisify(execFile)

export interface PythonReading {
  readonly defects: readonly string[]
  readonly reportType: string
  readonly types: readonly string[]
  /** Groups of fields of the delivery report. */
  readonly groups: readonly Readonly<Record<string, string>>[]
  readonly text: string
}

const PYTHON = `
import email, email.policy, json, sys
message = email.message_from_binary_file(open(sys.argv[1], 'rb'), policy=email.policy.default)
parts = list(message.iter_parts())
groups = [dict(group.items()) for group in parts[1].get_payload()]
defects = [repr(d) for part in message.walk() for d in part.defects]
print(json.dumps({
    'defects': defects, 'reportType': message.get_param('report-type'),
    'types': [part.get_content_type() for part in parts],
    'groups': groups, 'text': parts[0].get_content(),
}))
`

export async function pythonReads(notice: Uint8Array): Promise<PythonReading> {
  return JSON.parse(await read('/usr/bin/python3', ['-c', PYTHON], notice)) as PythonReading
}

const FLUFL = `
import email, json, sys
from flufl.bounce import all_failures
temporary, permanent = all_failures(email.message_from_binary_file(open(sys.argv[1], 'rb')))
print(json.dumps([sorted(a.decode() for a in each) for each in (temporary, permanent)]))
`

/** Addresses with temporary and with permanent failures. */
export async function fluflReads(notice: Uint8Array): Promise<[string[], string[]]> {
  return JSON.parse(await read('/usr/bin/python3', ['-c', FLUFL], notice)) as [string[], string[]]
}

const SISIMAI = `
for my $each (@{ Sisimai->make($ARGV[0], delivered => 1) // [] }) {
  print join(' ', $each->recipient->address, $each->action, $each->reason, $each->messageid), "\\n";
}
`

/** "address action reason message-id" of each recipient. */
export async function sisimaiReads(notice: Uint8Array): Promise<string[]> {
  const said = await read('/usr/bin/perl', ['-MSisimai', '-e', SISIMAI], notice)
  return said.split('\n').filter((line) => line !== '')
}

async function read(program: string, args: string[], notice: Uint8Array): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'waypost-notice-'))
  try {
    const file = join(folder, 'notice.eml')
    await writeFile(file, notice)
    return (await run(program, [...args, file])).stdout
  } finally {
    await rm(folder, { recursive: true })
  }
}
