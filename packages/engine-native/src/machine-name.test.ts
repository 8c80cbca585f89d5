import { expect, it } from 'vitest';
import { machineName } from './machine-name.js';

it.each([
  ['AMD EPYC', 2, undefined, 'amd-epyc-2-cores'],
  ['Intel(R) Core(TM) i9-13900K CPU @ 3.00GHz', 24, undefined, 'intel-core-i9-13900k-24-cores'],
  [
    'AMD Ryzen 9 7950X 16-Core Processor',
    16,
    'NVIDIA GeForce RTX 4090',
    'amd-ryzen-9-7950x-16-cores-nvidia-geforce-rtx-4090',
  ],
  ['', 1, 'llvmpipe (LLVM 15.0.6, 256 bits)', 'unknown-1-core-llvmpipe'],
] as const)('names a machine with %s, %d cores and %s', (cpu, cores, gpu, name) => {
  expect(machineName(cpu, cores, gpu)).toBe(name);
});
