import { describe, expect, it } from 'vitest';
import { listKernelBenches, openKernelBench } from './index.js';

const SMALL = { threads: 1, workingSetBytes: 4 * 2 ** 20 };

describe('kernel benches', () => {
  it('runs a pass of every kernel and counts its work', async () => {
    for (const { name, roof, typed } of listKernelBenches()) {
      const type = name.startsWith('own-') ? 'Q4_0' : typed ? 'F16' : 'F32';
      await using bench = await openKernelBench({ kernel: name, type, tokens: 2, ...SMALL });
      const { bytes, operations, seconds } = await bench.run();
      expect(seconds, name).toBeGreaterThan(0);
      if (roof === 'bytes') expect(bytes, name).toBeGreaterThan(2 ** 20);
      if (roof === 'operations') expect(operations, name).toBeGreaterThan(2 ** 20);
      expect((await bench.run()).operations).toBe(operations);
    }
  });

  it('refuses what it does not know, and says what there is', async () => {
    const refused = (options: object) =>
      expect(openKernelBench({ kernel: 'rows', ...SMALL, ...options })).rejects.toMatchObject({
        code: 'INVALID_ARGUMENT',
      });
    await refused({ kernel: 'lines' });
    await refused({ type: 'Q3_K' });
    await refused({ threads: 0 });
    await refused({ tokens: 5000 });
    await refused({ kernels: 'mmx' });
    await refused({ kernel: 'attention', type: 'Q4_0' });
    await refused({ workingSetBytes: 100 });
  });

  it('ends with a typed error once it is closed', async () => {
    const bench = await openKernelBench({ kernel: 'norm', ...SMALL });
    await bench.close();
    await bench.close();
    await expect(bench.run()).rejects.toMatchObject({ code: 'CLOSED' });
  });
});
