import { table } from '../table.js';
import type { KernelFigure } from './measure-kernels.js';

const HEAD = ['kernel', 'type', 'tokens', 'threads', 'GB/s', 'Gop/s', 'share', 'of'];

/** Rates of the kernels and how near they come to their roofs. */
export function kernelLines(figures: readonly KernelFigure[], machine: string): string[] {
  return [
    machine,
    '',
    table(figures.map(rowOf), { head: HEAD, right: [2, 3, 4, 5, 6] }),
    '',
    `Best of ${figures[0]?.passes ?? 0} passes each; a kernel's roof is measured right before it.`,
  ];
}

function rowOf(figure: KernelFigure): string[] {
  const { kernel, type, tokens, threads, bytesPerSecond, operationsPerSecond, roof } = figure;
  return [
    kernel,
    type ?? '',
    tokens?.toString() ?? '',
    String(threads),
    bytesPerSecond > 0 ? (bytesPerSecond / 1e9).toFixed(1) : '',
    operationsPerSecond > 0 ? (operationsPerSecond / 1e9).toFixed(0) : '',
    roof === null ? '' : `${Math.round(roof.share * 100)} %`,
    roof?.kernel ?? 'a roof',
  ];
}
