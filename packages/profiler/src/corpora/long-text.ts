/** A text document is at most this long, bytes of UTF-8; longer ones count as several. */
export const MAX_TEXT_BYTES = 1 << 20;

const LINE_FEED = 0x0a;

/**
 * Cuts a long text into pieces of at most `MAX_TEXT_BYTES`: after the last line break that lies
 * within, else between two characters. Joined again they are the text.
 */
export function cutLongText(text: string): string[] {
  if (text.length <= MAX_TEXT_BYTES / 4) return [text];
  const bytes = Buffer.from(text);
  const pieces: string[] = [];
  let start = 0;
  while (bytes.length - start > MAX_TEXT_BYTES) {
    const last = bytes.lastIndexOf(LINE_FEED, start + MAX_TEXT_BYTES - 1);
    const end = last >= start ? last + 1 : characterStart(bytes, start + MAX_TEXT_BYTES);
    pieces.push(bytes.toString('utf8', start, end));
    start = end;
  }
  pieces.push(bytes.toString('utf8', start));
  return pieces;
}

/**
 * The last place up to `index` where a character begins. Bytes that are not UTF-8 may be cut
 * anywhere.
 */
export function characterStart(bytes: Uint8Array, index: number): number {
  for (let back = 0; back < 4; back++) {
    const byte = bytes[index - back];
    if (byte === undefined || (byte & 0xc0) !== 0x80) return index - back;
  }
  return index;
}

/** Whether bytes are white space only, as `String.prototype.trim` knows it. */
export function isBlank(bytes: Buffer): boolean {
  for (const byte of bytes) {
    if (byte === 0x20 || (byte >= 0x09 && byte <= 0x0d)) continue;
    return byte >= 0x80 && bytes.toString('utf8').trim() === '';
  }
  return true;
}
