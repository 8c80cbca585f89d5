import {
  hostInfo,
  type KernelBenchInfo,
  type KernelBenchType,
  listKernelBenches,
} from '@thermocline/runtime';
import { EXIT } from '../exit-codes.js';
import { Interrupt } from '../interrupt.js';
import { type KernelChoice, kernelCases } from '../kernels/kernel-cases.js';
import { kernelLines } from '../kernels/kernel-lines.js';
import {
  type KernelFigure,
  type KernelSettings,
  measureKernel,
} from '../kernels/measure-kernels.js';
import { startProgress } from '../progress.js';
import { sizeOption } from '../size-option.js';
import { print, printJson } from '../terminal.js';

const DEFAULT_TYPES: readonly KernelBenchType[] = ['F16', 'Q8_0', 'Q4_0', 'Q4_K'];

export interface BenchKernelsFlags {
  kernel?: string[];
  type?: KernelBenchType[];
  threads?: number[];
  tokens?: number;
  kernels?: string;
  workingSet: string;
  passes: number;
  json?: boolean;
}

/** `thermocline bench kernels`: how near each kernel comes to what the machine can do. */
export async function benchKernels(flags: BenchKernelsFlags): Promise<void> {
  using interrupt = new Interrupt();
  const host = hostInfo();
  const known = listKernelBenches();
  const choice: KernelChoice = {
    names: flags.kernel,
    types: flags.type ?? DEFAULT_TYPES,
    threads: flags.threads ?? [host.cpu.cores],
    tokens: flags.tokens,
  };
  const settings: KernelSettings = {
    kernels: flags.kernels ?? 'auto',
    workingSetBytes: sizeOption('--working-set', flags.workingSet),
    passes: flags.passes,
    signal: interrupt.signal,
  };
  const figures = await measureAll(known, choice, settings);
  const set = flags.kernels ?? host.kernels.find(({ chosen }) => chosen)?.name ?? 'auto';
  if (flags.json) printJson({ cpu: host.cpu.model, cores: host.cpu.cores, kernels: set, figures });
  else for (const line of kernelLines(figures, `${host.cpu.model}, kernels ${set}`)) print(line);
  if (interrupt.requested) process.exitCode = EXIT.interrupted;
}

/** What was measured until Ctrl-C is shown. */
async function measureAll(
  known: KernelBenchInfo[],
  choice: KernelChoice,
  settings: KernelSettings,
): Promise<KernelFigure[]> {
  const cases = kernelCases(known, choice);
  const roofs = known.filter(({ roof }) => roof === null);
  const figures: KernelFigure[] = [];
  using progress = await startProgress('Measuring');
  for (const [i, one] of cases.entries()) {
    progress.update(i, cases.length, one.info.name);
    try {
      figures.push(await measureKernel(one, roofs, settings));
    } catch (error) {
      if (!settings.signal.aborted) throw error;
      break;
    }
  }
  return figures;
}
