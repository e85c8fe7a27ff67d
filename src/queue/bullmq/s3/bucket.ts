// The bucket: objects by name, over the SDK, which is loaded only here. Every request ends within its time,
// and what went wrong is said in words for people; while the bucket does not answer, it knows why.

import type { S3Client, S3ServiceException } from '@aws-sdk/client-s3'

import { KEY_GROUPS, tellTlsError } from '../../../base/tls.ts'
import { QueueError } from '../../port/types.ts'
import { inPieces } from '../content/content.ts'
import { formatBucket } from './address.ts'
import type { BucketAddress } from './address.ts'

type Sdk = typeof import('@aws-sdk/client-s3')

export interface Listed {
  readonly name: string
  readonly size: number
  /** When it was written, by the store's clock. */
  readonly at: number
}

/** Of one request with all its tries, in milliseconds; S3 answers within a tenth of a second. */
const PATIENCE = 10_000
const PROBE = 3000
/** For what is written or read in many pieces: between two of them. */
const SILENCE = 30_000
const TRIES = 2
const SOCKETS = 128
/** The least that S3 takes as a part of an upload, and what one upload keeps in memory. */
const PART = 5 * 1024 * 1024
/** Objects that one request removes. */
const TOGETHER = 1000

/** Rejects with what to do when it cannot be used. */
export async function openBucket(address: BucketAddress, queue: string): Promise<Bucket> {
  const sdk = await import('@aws-sdk/client-s3')
  const bucket = new Bucket(sdk, address, queue)
  try {
    await bucket.probe()
    return bucket
  } catch (error) {
    bucket.close()
    throw new Error(
      `${(error as Error).message}; is WAYPOST_CONTENT right, and does the store run?`,
      { cause: error },
    )
  }
}

export class Bucket {
  /** For people. */
  readonly at: string
  #sdk: Sdk
  #client: S3Client
  #bucket: string
  #base: string
  #trouble: string | undefined

  /** @param queue what tells the objects of one queue from those of others under the same prefix */
  constructor(sdk: Sdk, address: BucketAddress, queue: string) {
    const { bucket: Bucket, prefix, endpoint, region } = address
    this.at = formatBucket(address)
    this.#sdk = sdk
    this.#bucket = Bucket
    this.#base = `${prefix === '' ? '' : `${prefix}/`}${queue}/`
    this.#client = new sdk.S3Client({
      ...(region === undefined ? {} : { region }),
      ...(endpoint === undefined ? {} : ownStore(endpoint, region)),
      maxAttempts: TRIES,
      requestHandler: {
        connectionTimeout: PROBE,
        socketTimeout: SILENCE,
        httpAgent: { maxSockets: SOCKETS },
        httpsAgent: { maxSockets: SOCKETS, ecdhCurve: KEY_GROUPS },
        logger: SILENT,
      },
      logger: SILENT,
    })
  }

  /** Where an object is, as tools for buckets want it. */
  placeOf(name: string): string {
    return `s3://${this.#bucket}/${this.#base}${name}`
  }

  /** Why it cannot be used now. */
  get trouble(): string | undefined {
    return this.#trouble
  }

  close(): void {
    this.#client.destroy()
  }

  /** Whether it is there and may be used. */
  async probe(): Promise<void> {
    const { HeadBucketCommand } = this.#sdk
    const head = new HeadBucketCommand({ Bucket: this.#bucket })
    await this.#ask('reach', (abortSignal) => this.#client.send(head, { abortSignal }), PROBE)
  }

  async put(name: string, body: Uint8Array): Promise<void> {
    const put = new this.#sdk.PutObjectCommand({ ...this.#of(name), Body: body })
    await this.#ask('write', (abortSignal) => this.#client.send(put, { abortSignal }))
  }

  /** Writes what is too large for memory; resolves with its size. Nothing is there when it rejects. */
  async upload(name: string, chunks: AsyncIterable<Uint8Array>): Promise<number> {
    const pieces = inPieces(chunks, PART)
    const { value: first } = await pieces.next()
    const { value: second } = await pieces.next()
    if (first !== undefined && second !== undefined)
      return this.#uploadParts(name, rejoin([first, second], pieces))
    await this.put(name, first ?? new Uint8Array())
    return first?.length ?? 0
  }

  async #uploadParts(name: string, pieces: AsyncIterable<Uint8Array>): Promise<number> {
    const { CreateMultipartUploadCommand, UploadPartCommand } = this.#sdk
    const { CompleteMultipartUploadCommand, AbortMultipartUploadCommand } = this.#sdk
    const of = this.#of(name)
    const { UploadId } = await this.#ask('write', (abortSignal) =>
      this.#client.send(new CreateMultipartUploadCommand(of), { abortSignal }),
    )
    try {
      let size = 0
      const Parts: { PartNumber: number; ETag: string | undefined }[] = []
      for await (const Body of pieces) {
        const PartNumber = Parts.length + 1
        const part = new UploadPartCommand({ ...of, UploadId, PartNumber, Body })
        const { ETag } = await this.#ask(
          'write',
          (abortSignal) => this.#client.send(part, { abortSignal }),
          SILENCE,
        )
        Parts.push({ PartNumber, ETag })
        size += Body.length
      }
      const end = new CompleteMultipartUploadCommand({
        ...of,
        UploadId,
        MultipartUpload: { Parts },
      })
      await this.#ask('write', (abortSignal) => this.#client.send(end, { abortSignal }), SILENCE)
      return size
    } catch (error) {
      const abort = new AbortMultipartUploadCommand({ ...of, UploadId })
      await this.#client.send(abort, { abortSignal: AbortSignal.timeout(PROBE) }).catch(() => {})
      throw error
    }
  }

  /** Its bytes up to so many; `undefined` when there is no such object. */
  async first(name: string, bytes: number): Promise<Buffer | undefined> {
    const get = new this.#sdk.GetObjectCommand({
      ...this.#of(name),
      Range: `bytes=0-${bytes - 1}`,
    })
    return this.#ask('read', async (abortSignal) => {
      try {
        const { Body } = await this.#client.send(get, { abortSignal })
        return Buffer.from(await Body!.transformToByteArray())
      } catch (error) {
        if ((error as Error).name === 'NoSuchKey') return undefined
        throw error
      }
    })
  }

  async *read(name: string): AsyncGenerator<Uint8Array> {
    const get = new this.#sdk.GetObjectCommand(this.#of(name))
    const { Body } = await this.#ask('read', (abortSignal) =>
      this.#client.send(get, { abortSignal }),
    )
    try {
      yield* Body as unknown as AsyncIterable<Uint8Array>
    } catch (error) {
      throw this.#failure('read', error)
    }
  }

  /** Removes all of them; whatever is not there is no trouble. */
  async remove(names: readonly string[]): Promise<void> {
    for (let at = 0; at < names.length; at += TOGETHER) {
      const Objects = names.slice(at, at + TOGETHER).map((name) => ({ Key: this.#base + name }))
      const Delete = { Objects, Quiet: true }
      const remove = new this.#sdk.DeleteObjectsCommand({ Bucket: this.#bucket, Delete })
      const { Errors = [] } = await this.#ask('remove', (abortSignal) =>
        this.#client.send(remove, { abortSignal }),
      )
      const wrong = Errors.find(({ Code }) => Code !== 'NoSuchKey')
      if (wrong !== undefined) throw this.#failure('remove', new Error(wrong.Code))
    }
  }

  /** All objects in order of their names, page by page. */
  async *list(): AsyncGenerator<readonly Listed[]> {
    let from: string | undefined
    do {
      const page = new this.#sdk.ListObjectsV2Command({
        Bucket: this.#bucket,
        Prefix: this.#base,
        ...(from === undefined ? {} : { ContinuationToken: from }),
      })
      const found = await this.#ask(
        'list',
        (abortSignal) => this.#client.send(page, { abortSignal }),
        SILENCE,
      )
      yield (found.Contents ?? []).map(({ Key = '', Size = 0, LastModified }) => {
        return { name: Key.slice(this.#base.length), size: Size, at: Number(LastModified ?? 0) }
      })
      from = found.NextContinuationToken
    } while (from !== undefined)
  }

  #of(name: string): { Bucket: string; Key: string } {
    return { Bucket: this.#bucket, Key: this.#base + name }
  }

  async #ask<T>(
    what: string,
    request: (signal: AbortSignal) => Promise<T>,
    patience = PATIENCE,
  ): Promise<T> {
    try {
      const answer = await request(AbortSignal.timeout(patience))
      this.#trouble = undefined
      return answer
    } catch (error) {
      const failure = this.#failure(what, error)
      // An object that is not there says nothing of the bucket.
      if ((error as Error).name !== 'NoSuchKey') this.#trouble = failure.message
      throw failure
    }
  }

  #failure(what: string, error: unknown): QueueError {
    const text = `Cannot ${what} ${this.at}: ${reasonOf(error, this.#bucket)}`
    return new QueueError('failing', text, { cause: error })
  }
}

/** Stores other than AWS: buckets in the path, any region, and no checksums that only AWS knows. */
function ownStore(endpoint: string, region = 'us-east-1') {
  const when = 'WHEN_REQUIRED'
  return {
    endpoint,
    region,
    forcePathStyle: true,
    requestChecksumCalculation: when,
    responseChecksumValidation: when,
  } as const
}

const nothing = (): void => {}
/** The SDK would write its warnings to the terminal. */
const SILENT = { trace: nothing, debug: nothing, info: nothing, warn: nothing, error: nothing }

async function* rejoin(
  head: readonly Uint8Array[],
  rest: AsyncIterable<Uint8Array>,
): AsyncGenerator<Uint8Array> {
  yield* head
  yield* rest
}

function statusOf(error: unknown): number | undefined {
  return (error as Partial<S3ServiceException>).$metadata?.httpStatusCode
}

function reasonOf(error: unknown, bucket: string): string {
  const { name, message } = error as Error
  const { code = name } = error as NodeJS.ErrnoException
  if (name === 'TimeoutError' || name === 'AbortError') return 'no answer in time'
  if (name === 'CredentialsProviderError')
    return 'there are no credentials, set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY'
  if (message === 'Region is missing') return 'it has no region, add ?region=… or ?endpoint=…'
  if (name === 'NoSuchKey') return 'there is no such object'
  const status = statusOf(error)
  if (status === 301) return `the bucket "${bucket}" is in another region, write it as ?region=…`
  if (status === 401 || status === 403)
    return 'access was denied, do AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY belong to it?'
  if (status === 404) return `there is no bucket "${bucket}"`
  return message === '' || message === 'UnknownError' ? code : tellTlsError(error as Error)
}
