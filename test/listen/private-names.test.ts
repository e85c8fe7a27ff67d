// smtp-server is subclassed by names that are no public contract. When one of them goes or takes
// something else, this fails before any client notices.

import { readFileSync } from 'node:fs'
import { SMTPServer } from 'smtp-server'
import { SMTPConnection } from 'smtp-server/lib/smtp-connection.js'
import { SMTPStream } from 'smtp-server/lib/smtp-stream.js'
import { expect, test } from 'vitest'

const METHODS: [owner: object, names: [name: string, parameters: number][]][] = [
  [
    SMTPServer.prototype,
    [
      ['connect', 2],
      ['updateSecureContext', 1],
      ['_acceptSocket', 2],
      ['_handleProxy', 2],
      ['_upgrade', 2],
    ],
  ],
  [
    SMTPConnection.prototype,
    [
      ['init', 0],
      ['close', 0],
      ['upgrade', 2],
      ['_createParser', 0],
      ['_setListeners', 1],
      ['_onClose', 0],
      ['_onError', 1],
      ['_armTimeout', 0],
      ['_resetSession', 0],
    ],
  ],
  [SMTPStream.prototype, [['_write', 3]]],
]

for (const [owner, names] of METHODS)
  for (const [name, parameters] of names)
    test(`${owner.constructor.name} has ${name} with ${parameters} parameters`, () => {
      const method: unknown = Reflect.get(owner, name)
      expect(method).toBeTypeOf('function')
      expect((method as () => void).length).toBe(parameters)
    })

const SOURCE: [file: string, lines: string[]][] = [
  [
    'smtp-connection',
    [
      'this._socket = socket;',
      'this._parser = this._createParser();',
      'this._upgrading = true;',
      'this._parser.isClosed = true;',
      'this._socket.unpipe(this._parser);',
      'this._socket.pipe(this._parser);',
      'this._closing = true;',
      'this.remoteAddress = normalizeAddress(',
      'this.session.secure = this.secure = true;',
    ],
  ],
  [
    'smtp-server',
    [
      'let release = this._acceptSocket(socket, handshake);',
      'this._handleProxy(socket, (err, socketOptions) => {',
      'this.connect(socket, socketOptions);',
      'this._pendingSockets = new Map();',
      'this.server = net.createServer(this.options,',
    ],
  ],
]

for (const [file, lines] of SOURCE)
  test(`${file} still has the lines that we rely on`, () => {
    const url = import.meta.resolve(`smtp-server/lib/${file}.js`)
    const text = readFileSync(new URL(url), 'utf8')
    for (const line of lines) expect(text).toContain(line)
  })

test('the version is the one that was read', () => {
  const text = readFileSync(new URL(import.meta.resolve('smtp-server/package.json')), 'utf8')
  expect(JSON.parse(text)).toMatchObject({ version: '3.21.6' })
})
