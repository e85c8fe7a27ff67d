// Enhanced status codes (RFC 3463, the registry of RFC 5248) as sentences that a person
// understands. The class (2, 4, 5) says whether it worked; the sentence is what lies behind it.

/** By subject and detail, `1.1` for 4.1.1 and 5.1.1; `1.0` also stands for details nobody registered. */
const SENTENCES: Readonly<Record<string, string>> = {
  '1.0': 'Something is wrong with the address.',
  '1.1': 'There is no mailbox with this address.',
  '1.2': 'There is no mail system for the part of the address behind the @.',
  '1.3': 'The address is not written in a form that mail systems understand.',
  '1.4': 'The address fits more than one mailbox.',
  '1.5': 'The address is good.',
  '1.6': 'The recipient has moved and left no new address.',
  '1.7': "The sender's address is not written in a form that mail systems understand.",
  '1.8': "The mail system of the sender's address cannot be found or takes no mail.",
  '1.9': 'The message was passed on to a system that may not report on it.',
  '1.10': 'The part of the address behind the @ is declared to take no mail.',

  '2.0': 'Something is wrong with the mailbox.',
  '2.1': 'The mailbox takes no messages at present.',
  '2.2': 'The mailbox is full.',
  '2.3': 'The message is larger than this mailbox may receive.',
  '2.4': 'The mailing list behind the address could not be read.',

  '3.0': 'The mail system of the recipient has a problem.',
  '3.1': 'The mail system of the recipient has run out of space.',
  '3.2': 'The mail system of the recipient takes no mail at present.',
  '3.3': 'The mail system of the recipient lacks a feature that the message needs.',
  '3.4': 'The message is larger than the mail system of the recipient allows.',
  '3.5': 'The mail system of the recipient is not set up correctly.',
  '3.6': 'The message was taken with another priority than asked for.',

  '4.0': 'The network or the routing of mail has a problem.',
  '4.1': 'The mail system of the recipient does not answer.',
  '4.2': 'The connection to the mail system of the recipient broke.',
  '4.3': 'A directory that says where mail goes, such as DNS, could not be asked.',
  '4.4': 'No way to the mail system of the recipient could be found.',
  '4.5': 'The mail system of the recipient is too busy.',
  '4.6': 'The message was going in circles between mail systems.',
  '4.7': 'The message could not be delivered in the time it had.',

  '5.0': 'The mail systems did not understand each other.',
  '5.1': 'The mail system of the recipient did not expect a command of ours.',
  '5.2': 'The mail system of the recipient did not understand a command of ours.',
  '5.3': 'The message has more recipients than the mail system takes at one time.',
  '5.4': 'The mail system of the recipient did not accept what a command of ours said.',
  '5.5': 'The mail systems speak different versions of their language.',
  '5.6': 'The mail systems could not agree on who is calling.',

  '6.0': 'Something is wrong with the content of the message.',
  '6.1': 'The mail system of the recipient does not take this kind of content.',
  '6.2': 'The content would have to be converted, and that is not allowed.',
  '6.3': 'The content would have to be converted, and that is not possible.',
  '6.4': 'The content was converted and may have lost something.',
  '6.5': 'The content could not be converted.',
  '6.6': 'The content of the message could not be fetched.',
  '6.7': 'The mail system does not take addresses with letters beyond plain ASCII.',
  '6.8': 'The answer needs letters beyond plain ASCII, which were not asked for.',
  '6.9': 'The mail system does not take headers with letters beyond plain ASCII.',
  '6.10': 'The answer needs letters beyond plain ASCII, which were not asked for.',

  '7.0': 'The message was turned away for reasons of security or policy.',
  '7.1': 'The mail system of the recipient does not want this message.',
  '7.2': 'The sender may not write to this mailing list.',
  '7.3': 'The message would have to be secured in another way, and that is not possible.',
  '7.4': 'A security feature that the message needs is missing.',
  '7.5': 'The message could not be decrypted or its protection not be checked.',
  '7.6': 'The message is protected in a way that the mail system does not know.',
  '7.7': 'The message was changed on its way.',
  '7.8': 'Name and password were not accepted.',
  '7.9': 'A stronger way to log in is required.',
  '7.10': 'An encrypted connection is required.',
  '7.11': 'This way to log in requires an encrypted connection.',
  '7.12': 'The password has to be changed first.',
  '7.13': 'The account is disabled.',
  '7.14': 'The mail system takes mail only from systems that it trusts.',
  '7.15': 'The message has too low a priority to be taken now.',
  '7.16': 'The message is too large for its priority.',
  '7.17': 'The mailbox belongs to somebody else now.',
  '7.18': 'The domain of the address belongs to somebody else now.',
  '7.19': 'Whether the mailbox still has the same owner could not be checked.',
  '7.20': 'The message has no DKIM signature that holds.',
  '7.21': 'The message has no DKIM signature that the mail system accepts.',
  '7.22': "The message has no DKIM signature of its author's domain.",
  '7.23': 'The domain of the sender does not allow our server to send for it (SPF).',
  '7.24': 'Whether our server may send for the domain of the sender could not be checked (SPF).',
  '7.25': 'The name of our server could not be confirmed in DNS.',
  '7.26': 'The message failed several checks of its origin.',
  '7.27': "The domain of the sender's address is declared to take no mail.",
  '7.28': 'There is more mail than usual, so the mail system holds it off.',
  '7.29': 'The record of who forwarded the message does not hold (ARC).',
  '7.30': 'Encryption on the whole way was asked for, and the next system cannot do it.',
}

const STATUS = /^([245])\.(\d{1,3})\.(\d{1,3})$/

/** What lies behind `5.1.1`; `undefined` for what is no status, or says nothing (x.0.0). */
export function sentenceOf(status: string): string | undefined {
  const match = STATUS.exec(status)
  if (match === null) return undefined
  return SENTENCES[`${Number(match[2])}.${Number(match[3])}`] ?? SENTENCES[`${Number(match[2])}.0`]
}

/** The status with that class, where it has another: a reply's first digit decides, not its status. */
export function withClass(status: string | undefined, digit: 2 | 4 | 5): string {
  const match = status === undefined ? null : STATUS.exec(status)
  return match === null ? `${digit}.0.0` : `${digit}.${match[2]}.${match[3]}`
}
