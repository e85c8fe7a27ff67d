// Where the object store is, as operators write it: s3://bucket/prefix?endpoint=https://…&region=….
// Credentials never stand there: the SDK finds them where AWS' own tools do.

export interface BucketAddress {
  readonly bucket: string
  /** Without slashes around it; empty: the whole bucket. */
  readonly prefix: string
  /** Of a store other than AWS; buckets are named in the path there. */
  readonly endpoint?: string
  readonly region?: string
}

const EXAMPLES =
  'write s3://bucket/prefix?region=eu-central-1, or s3://bucket/prefix?endpoint=https://s3.example.com'
const CREDENTIALS =
  'credentials do not belong there, set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY'

/** Throws a sentence that says what to write; secrets are never repeated. */
export function readBucket(text: string): BucketAddress {
  const shown = text.replace(/\/\/[^@]*@/g, '//…@')
  const match = /^s3:\/\/([^/?#]*)(?:\/([^?#]*))?(?:\?([^#]*))?$/.exec(text)
  if (match === null) throw new Error(`"${shown}" is no object store, ${EXAMPLES}`)
  const [, bucket = '', path = '', query = ''] = match
  if (bucket.includes('@')) throw new Error(`"${shown}" has a login: ${CREDENTIALS}`)
  if (!/^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/.test(bucket))
    throw new Error(`"${shown}" names no bucket, ${EXAMPLES}`)
  return { bucket, prefix: readPrefix(path), ...readQuery(query) }
}

function readPrefix(path: string): string {
  const prefix = path.replace(/\/$/, '')
  if (!/^([a-zA-Z0-9._-]+(\/[a-zA-Z0-9._-]+)*)?$/.test(prefix) || prefix.length > 500)
    throw new Error(
      `"${path}" is no prefix of objects, write letters, digits, ".", "_", "-" and single "/"`,
    )
  return prefix
}

function readQuery(query: string): Pick<BucketAddress, 'endpoint' | 'region'> {
  const given = new URLSearchParams(query)
  for (const name of given.keys()) {
    if (name !== 'endpoint' && name !== 'region')
      throw new Error(
        `"${name}" is nothing to say of an object store, only endpoint and region are`,
      )
    if (given.getAll(name).length > 1) throw new Error(`${name} is there twice, write it once`)
  }
  const [endpoint, region] = [given.get('endpoint'), given.get('region')]
  return {
    ...(endpoint === null ? {} : { endpoint: readEndpoint(endpoint) }),
    ...(region === null ? {} : { region: readRegion(region) }),
  }
}

function readEndpoint(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : undefined
  if (url !== undefined && url.username + url.password !== '')
    throw new Error(`the endpoint has a login: ${CREDENTIALS}`)
  const isPlain = url?.pathname === '/' && url.search === '' && url.hash === ''
  if (!isPlain || (url.protocol !== 'https:' && url.protocol !== 'http:'))
    throw new Error(`"${text}" is no endpoint, write one such as https://s3.example.com:9000`)
  return url.origin
}

function readRegion(text: string): string {
  if (!/^[a-z0-9-]{1,40}$/.test(text))
    throw new Error(`"${text}" is no region, write one such as eu-central-1`)
  return text
}

/** For people. */
export function formatBucket({ bucket, prefix, endpoint }: BucketAddress): string {
  const path = prefix === '' ? '' : `/${prefix}`
  return `s3://${bucket}${path}${endpoint === undefined ? '' : ` at ${endpoint}`}`
}
