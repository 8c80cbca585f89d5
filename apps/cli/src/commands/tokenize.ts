import { demoModelPath } from '@thermocline/demo-model';
import { openTokenizer } from '@thermocline/runtime';
import { plural } from '../format.js';
import { callerPath } from '../paths.js';
import { readStdin } from '../stdin.js';
import { errorColors, note, oneLine, print, printJson } from '../terminal.js';

export interface TokenizeOptions {
  text?: string;
  json?: boolean;
}

/** `thermocline tokenize`: ids and pieces of a text. Adds no BOS and trims nothing. */
export async function tokenize(path: string | undefined, options: TokenizeOptions): Promise<void> {
  using tokenizer = await openTokenizer(path === undefined ? demoModelPath() : callerPath(path));
  const text = options.text ?? (await readStdin());
  const ids = [...(await tokenizer.tokenize(text))];
  const pieces = ids.map((id) => tokenizer.tokenText(id));
  if (options.json) {
    printJson({ ids, pieces });
    return;
  }
  for (const [index, id] of ids.entries()) print(`${id}\t${oneLine(pieces[index] ?? '')}`);
  note(errorColors.dim(plural(ids.length, 'token')));
}
