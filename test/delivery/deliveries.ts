// Deliveries for tests, with the few things that a test is about.

import { parseAddress } from '../../src/mail/address.ts'
import type { Destination } from '../../src/mail/destination.ts'
import type { Delivery } from '../../src/queue/port/outflow.ts'
import type { DeliveryId, MessageId } from '../../src/queue/port/types.ts'

type Given = Partial<Omit<Delivery, 'id' | 'destination'>> & { id?: string; destination?: string }

export function deliveryTo(to: readonly string[], given: Given = {}): Delivery {
  const addresses = to.map((text) => parseAddress(text)!)
  const sender = parseAddress('ana@near.example')
  const { id = 'M1-1', destination = addresses[0]!.domain, ...rest } = given
  return {
    message: id.split('-')[0] as MessageId,
    queue: 'default',
    acceptedAt: 0,
    envelope: {
      sender,
      submitter: { protocol: 'ESMTP', rule: 'relay.yaml:1' },
      size: 10,
      eightBit: false,
      smtpUtf8: false,
      fromDomains: [],
    },
    recipients: addresses.map((address, n) => ({ n, address, attempts: 0, due: 0 })),
    content: { key: 'k', size: 10, bytes: Buffer.from('A: b\r\n\r\nc\r\n') },
    expireAt: 432_000_000,
    ...rest,
    id: id as DeliveryId,
    destination: destination as Destination,
  }
}
