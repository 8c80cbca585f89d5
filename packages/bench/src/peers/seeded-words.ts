import { seededRandom } from '../tokens.js';

// Common words, most of which are one token in every vocabulary of English.
const WORDS =
  'the of and to in is that it was for on are as with his they at be this from have or by one had not but what all were when we there can an your which their said if do will each about how up out them then she many some so these would other into has more her two like him see time could no make than first been its who now people my made over did down only way find use may water long little very after words called just where most know';

/** About as many tokens of text as asked for, in an order by seed. */
export function seededWords(count: number, seed: number): string {
  const words = WORDS.split(' ');
  const next = seededRandom(seed);
  return Array.from({ length: count }, () => words[Math.floor(next() * words.length)]).join(' ');
}
