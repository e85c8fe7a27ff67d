// What the listener says of the conversation itself; what becomes of mail is verdict-reply.ts's. Every
// reply is written here, once, with the status of RFC 3463 that belongs to it, so that no code is
// ever sent with another's status.

/** A whole reply with its line end, ready for the wire. */
export type ReplyLine = string

export function reply(code: number, status: string, text: string): ReplyLine {
  return `${code} ${status} ${text}\r\n`
}

/** Without the line end, for events. */
export function textOf(line: ReplyLine): string {
  return line.slice(0, -2)
}

/** The lines of the answer to EHLO: the first, then one keyword each. */
export function helloReply(lines: readonly string[]): ReplyLine {
  let text = ''
  for (const [n, line] of lines.entries())
    text += `250${n + 1 < lines.length ? '-' : ' '}${line}\r\n`
  return text
}

export const SAY = {
  reset: reply(250, '2.0.0', 'Reset'),
  noop: reply(250, '2.0.0', 'Ok'),
  bye: reply(221, '2.0.0', 'Bye'),
  help: reply(214, '2.0.0', 'See RFC 5321'),
  verify: reply(252, '2.5.0', 'Cannot verify, but will take mail for it'),
  noExpand: reply(502, '5.5.1', 'Lists are not expanded here'),
  senderOk: reply(250, '2.1.0', 'Sender ok'),
  recipientOk: reply(250, '2.1.5', 'Recipient ok'),
  // A greeting and the answers to EHLO and HELO carry no status either.
  helloSyntax: '501 Syntax: EHLO hostname\r\n',
  startContent: '354 End with <CRLF>.<CRLF>\r\n', // 3yz replies carry no status (RFC 2034 3)
  startTls: reply(220, '2.0.0', 'Ready to start TLS'),

  unknownCommand: reply(500, '5.5.2', 'Command not recognised'),
  lineTooLong: reply(500, '5.5.2', 'Line too long'),
  bareLineFeed: reply(500, '5.5.2', 'Lines end with CRLF'),
  badArguments: reply(501, '5.5.4', 'Syntax error in arguments'),
  badParameter: reply(501, '5.5.4', 'Bad value of a parameter'),
  repeatedParameter: reply(501, '5.5.4', 'Parameter given twice'),
  unknownParameter: reply(555, '5.5.4', 'Parameter not recognised'),
  badSender: reply(501, '5.1.7', 'Bad sender address syntax'),
  badRecipient: reply(501, '5.1.3', 'Bad recipient address syntax'),
  needsUtf8: reply(553, '5.6.7', 'Addresses outside ASCII need SMTPUTF8'),
  helloFirst: reply(503, '5.5.1', 'Say EHLO first'),
  senderTwice: reply(503, '5.5.1', 'A transaction is under way'),
  senderFirst: reply(503, '5.5.1', 'Need MAIL first'),
  recipientFirst: reply(503, '5.5.1', 'Need RCPT first'),
  noRecipients: reply(554, '5.5.1', 'No valid recipients'),
  mixedContent: reply(503, '5.5.1', 'BDAT and DATA do not mix'),
  badChunk: reply(501, '5.5.4', 'Syntax: BDAT size [LAST]'),
  outOfOrder: reply(503, '5.5.1', 'This transaction has failed, say RSET'),

  tlsActive: reply(503, '5.5.1', 'TLS is active already'),
  noTls: reply(454, '4.7.0', 'TLS is not available'),
  loginTwice: reply(503, '5.5.1', 'Authenticated already'),
  loginInTransaction: reply(503, '5.5.1', 'Not within a transaction'),
  loginNeedsTls: reply(538, '5.7.11', 'Encryption required for authentication'),
  unknownMechanism: reply(504, '5.5.4', 'Authentication mechanism not offered'),
  loginOk: reply(235, '2.7.0', 'Authenticated'),
  loginBad: reply(535, '5.7.8', 'Wrong name or password'),
  loginCancelled: reply(501, '5.7.0', 'Authentication cancelled'),
  loginTooLong: reply(500, '5.5.6', 'Line too long'), // RFC 4954 4
  loginMalformed: reply(501, '5.5.2', 'Cannot decode that'),
  loginLater: reply(454, '4.7.0', 'Authentication is not possible now, try again later'),

  chunkLost: reply(421, '4.7.0', 'Cannot tell where that chunk ends'),
  tooManyErrors: reply(421, '4.7.0', 'Too many errors'),
  tooManyCommands: reply(421, '4.7.0', 'Too many commands that bring no mail'),
  tooManyGuesses: reply(421, '4.7.0', 'Too many failed logins'),
  noHttp: reply(421, '4.7.0', 'This is no web server'),
  tooSlow: reply(421, '4.4.2', 'Took too long'),
  closing: reply(421, '4.3.2', 'Closing down, try again later'),
  tooManyConnections: reply(421, '4.3.2', 'Too many connections, try again later'),
  tooManyFromClient: reply(421, '4.7.0', 'Too many connections from your address'),
} as const satisfies Record<string, ReplyLine>
