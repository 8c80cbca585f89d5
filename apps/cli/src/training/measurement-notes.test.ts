import { describe, expect, it } from 'vitest';
import { measurementNotes } from './measurement-notes.js';

describe('measurementNotes', () => {
  it('says nothing where there is enough', () => {
    expect(measurementNotes(8192, 8192, true)).toEqual([]);
    expect(measurementNotes(1536, undefined, false)).toEqual([]);
  });

  it('says how many tokens were used of those asked for', () => {
    expect(measurementNotes(1536, 4096, false)).toEqual([
      '--test-tokens asks for 4,096: what was held out has 1,536, and all are used',
    ]);
  });

  it('calls a loss on little text rough, and says what helps', () => {
    expect(measurementNotes(256, undefined, false)).toEqual([
      'the loss was measured on 256 tokens only and is rough; read more (--tokens) or name a text (--test)',
    ]);
    expect(measurementNotes(256, 256, true)).toEqual([
      expect.stringMatching(/rough; give more --test-tokens$/),
    ]);
    expect(measurementNotes(200, 256, true)).toEqual([
      expect.stringMatching(/the text of --test has 200/),
      expect.stringMatching(/rough; name a longer one$/),
    ]);
  });
});
