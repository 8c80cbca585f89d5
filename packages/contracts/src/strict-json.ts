/**
 * `JSON.parse` that refuses an object with the same key twice. The standard parser keeps the last
 * one, and a reader in another language may keep the first: such a file means two things.
 *
 * @throws SyntaxError
 */
export function parseStrictJson(text: string): unknown {
  const value: unknown = JSON.parse(text);
  refuseDuplicateKeys(text);
  return value;
}

// The text is known to be valid JSON, so a string followed by a colon is a key of the innermost
// object and nothing else needs to be understood.
function refuseDuplicateKeys(text: string): void {
  const keysByDepth: Set<string>[] = [];
  for (let i = 0; i < text.length; i++) {
    const char = text[i];
    if (char === '{' || char === '[') keysByDepth.push(new Set());
    else if (char === '}' || char === ']') keysByDepth.pop();
    else if (char === '"') {
      const start = i;
      i = endOfString(text, i);
      if (!isKey(text, i + 1)) continue;
      const key = JSON.parse(text.slice(start, i + 1)) as string;
      const keys = keysByDepth.at(-1);
      if (keys?.has(key)) throw new SyntaxError(`the key ${JSON.stringify(key)} appears twice`);
      keys?.add(key);
    }
  }
}

function endOfString(text: string, quote: number): number {
  let i = quote + 1;
  while (text[i] !== '"') i += text[i] === '\\' ? 2 : 1;
  return i;
}

function isKey(text: string, after: number): boolean {
  let i = after;
  while (text[i] === ' ' || text[i] === '\n' || text[i] === '\r' || text[i] === '\t') i++;
  return text[i] === ':';
}
