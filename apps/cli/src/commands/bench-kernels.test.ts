import { describe, expect, it } from 'vitest';
import { runCli, runJson } from '../testing/run-cli.js';

const SHORT = ['bench', 'kernels', '--working-set', '8MiB', '--passes', '3', '--threads', '1'];

interface Figures {
  figures: { kernel: string; type: string | null; tokens: number | null; roof: object | null }[];
}

describe('thermocline bench kernels', () => {
  it('shows rates and shares of the roof', async () => {
    const { code, stdout, stderr } = await runCli([...SHORT, '--kernel', 'read,rows']);
    expect(code, stderr).toBe(0);
    expect(stdout).toMatch(/kernel +type +tokens +threads +GB\/s +Gop\/s +share +of/);
    expect(stdout).toMatch(/read .* a roof/);
    for (const type of ['F16', 'Q8_0', 'Q4_0', 'Q4_K']) {
      expect(stdout).toMatch(new RegExp(`rows +${type} +1 +[\\d.]+ +\\d+ +\\d+ % +read`));
    }
    expect(stdout).toContain('Best of 3 passes');
  });

  it('prints one object with --json', async () => {
    const args = [...SHORT, '--kernel', 'gemm,attention,norm', '--type', 'F16,Q4_0', '--json'];
    const { figures } = (await runJson(args)) as Figures;
    expect(figures.map(({ kernel, type, tokens }) => [kernel, type, tokens])).toEqual([
      ['gemm', 'F16', 64],
      ['gemm', 'Q4_0', 64],
      ['attention', 'F16', 4],
      ['norm', null, null],
    ]);
    const rate = { kernel: 'read', rate: expect.any(Number), share: expect.any(Number) };
    expect(figures[3]).toMatchObject({ threads: 1, passes: 3, roof: rate });
  });

  it('names what it does not know', async () => {
    const kernel = await runCli([...SHORT, '--kernel', 'lines']);
    expect(kernel).toMatchObject({ code: 2, stderr: expect.stringContaining('rows-sparse') });
    const type = await runCli([...SHORT, '--type', 'Q3_K']);
    expect(type).toMatchObject({ code: 2, stderr: expect.stringContaining('Q4_K') });
    const size = await runCli([...SHORT, '--working-set', 'large']);
    expect(size).toMatchObject({ code: 2, stderr: expect.stringContaining('--working-set') });
  });
});
