import { describe, expect, it } from 'vitest';
import { UsageError } from '../usage-error.js';
import { trainOptions } from './options.js';

const flags = { tokens: 1024, seed: 0 };

describe('trainOptions', () => {
  it('reads a budget as a share or as a size', () => {
    const budget = (text: string) => trainOptions({ ...flags, budget: text }).budget;
    expect(budget('6%')).toEqual({ share: 0.06 });
    expect(budget('0.06')).toEqual({ share: 0.06 });
    expect(budget('200MiB')).toEqual({ bytes: 200 * 2 ** 20 });
  });

  it.each(['200%', '101%', '100%', '-5%', '0%', '5', '1', '', 'x%', '20 apples', '0KiB'])(
    'refuses the budget "%s" by name',
    (budget) => {
      const parse = () => trainOptions({ ...flags, budget });
      expect(parse).toThrow(UsageError);
      expect(parse).toThrow(/^--budget: .*\.$/);
    },
  );

  it('refuses a cache that is no size by name', () => {
    expect(() => trainOptions({ ...flags, cache: 'much' })).toThrow(
      /^--cache: "much" is not a size/,
    );
  });
});
