// A stream of bytes as one piece.

/** The start of a stream: as much as is asked for, a little more, or all there is. */
export async function collect(
  chunks: AsyncIterable<Uint8Array>,
  atLeast = Infinity,
): Promise<Buffer> {
  const pieces: Uint8Array[] = []
  let size = 0
  for await (const chunk of chunks) {
    pieces.push(chunk)
    size += chunk.length
    if (size >= atLeast) break
  }
  return Buffer.concat(pieces)
}
