import { mergeProfiles } from '@thermocline/profiler';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { demo } from './support/fixtures.js';
import { profileTexts } from './support/profile-texts.mjs';
import { expectSameProfile } from './support/same-profile.js';

test('merged shards equal the single run', async () => {
  const property = fc.asyncProperty(
    fc.integer({ min: 2, max: 6 }),
    fc.integer({ min: 1_000, max: 4_000 }),
    async (count, tokens) => {
      const shards = [];
      for (let index = 0; index < count; index++) {
        shards.push(await profileTexts({ tokens, shard: { index, count } }, demo.gguf));
      }
      const single = await profileTexts({ tokens }, demo.gguf);
      expectSameProfile(mergeProfiles(shards), single);
      const [layer] = single.layers;
      for (const key of ['absSum', 'contribution', 'magnitudes', 'coactivation'] as const) {
        expect(layer?.[key], key).toBeDefined();
      }
      // Not only equal: it counted what was asked for.
      expect(layer?.tokens).toBe(tokens);
    },
  );
  await fc.assert(property, { numRuns: 3 });
});
