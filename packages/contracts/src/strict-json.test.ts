import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseStrictJson } from './strict-json.js';

describe('parseStrictJson', () => {
  it('agrees with JSON.parse where no key repeats', () => {
    fc.assert(
      fc.property(fc.jsonValue(), fc.constantFrom(undefined, 1, '\t'), (value, indent) => {
        const text = JSON.stringify(value, null, indent);
        expect(parseStrictJson(text)).toEqual(JSON.parse(text));
      }),
    );
  });

  it.each([
    '{"a":1,"a":2}',
    '{"a":{"b":1,"c":[{}],"b":2}}',
    '[{"a" \n: "a","\\u0061":1}]',
    '{"\\"":1,"\\u0022":2}',
    '{"__proto__":1,"__proto__":2}',
  ])('refuses %s', (text) => {
    expect(() => JSON.parse(text)).not.toThrow();
    expect(() => parseStrictJson(text)).toThrow(/twice/);
  });

  it.each(['{"a":{"a":1},"b":["a","a",{"a":1},{"a":1}]}', '{"a":"a\\":","b":"a"}'])(
    'accepts %s',
    (text) => expect(parseStrictJson(text)).toEqual(JSON.parse(text)),
  );
});
