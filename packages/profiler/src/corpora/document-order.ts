import { endianness } from 'node:os';
import { tokenHash } from '@thermocline/contracts';

const [LOW, HIGH] = endianness() === 'LE' ? [0, 1] : [1, 0];

/** The part of a domain that one file makes. */
export interface DomainPart {
  sha256: string;
  /** Number of its first document in the corpus. */
  first: number;
  /** Documents. */
  count: number;
  /** Whether a document is another piece of what the one before is a piece of. */
  continues(index: number): boolean;
}

/**
 * Numbers of the documents of a domain in an order that looks random and that everybody gets
 * again: by a hash of the seed, the file's hash and the document's number in the file. So the
 * order of the documents of one file does not depend on the other files. Pieces that have to be
 * read together come together, where the first of them belongs. 8 bytes a document.
 */
export function seededOrder(parts: readonly DomainPart[], seed: number): Iterable<number> {
  const count = parts.reduce((sum, part) => sum + part.count, 0);
  // Hash above, number below: sorting these 64 bits sorts by hash, and equal hashes by number.
  const keys = new BigUint64Array(count);
  const words = new Uint32Array(keys.buffer);
  let next = 0;
  for (const part of parts) {
    const { sha256, first, count: documents } = part;
    let leader = 0;
    const file = Number.parseInt(sha256.slice(0, 8), 16);
    for (let i = 0; i < documents; i++) {
      if (!part.continues(i)) leader = i;
      words[next + LOW] = first + i;
      words[next + HIGH] = tokenHash(seed, file, leader);
      next += 2;
    }
  }
  keys.sort();
  return numbersIn(words);
}

function* numbersIn(words: Uint32Array): Iterable<number> {
  for (let i = LOW; i < words.length; i += 2) yield words[i] as number;
}
