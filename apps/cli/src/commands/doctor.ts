import { isPipelineError } from '@thermocline/contracts';
import { formatBytes, hostInfo } from '@thermocline/runtime';
import manifest from '../../package.json' with { type: 'json' };
import { type Drive, describeDrive } from '../doctor/drive.js';
import { findGpus, type Gpu } from '../doctor/gpus.js';
import { EXIT } from '../exit-codes.js';
import { callerPath } from '../paths.js';
import { table } from '../table.js';
import { colors, oneLine, print, printJson } from '../terminal.js';

type HostInfo = ReturnType<typeof hostInfo>;

interface Diagnosis {
  host: HostInfo | undefined;
  gpus: Gpu[];
  drive: Drive;
  /** What keeps Thermocline from working, and what to do. */
  problems: string[];
  /** What works, but could be better. */
  advice: string[];
}

/** `thermocline doctor`: what was found on this machine and what is made of it. */
export async function doctor({ json }: { json?: boolean }): Promise<void> {
  const diagnosis = await examine();
  if (json) printJson(toJson(diagnosis));
  else show(diagnosis);
  if (diagnosis.problems.length > 0) process.exitCode = EXIT.failed;
}

async function examine(): Promise<Diagnosis> {
  const problems: string[] = [];
  const [gpus, drive] = await Promise.all([findGpus(), describeDrive(callerPath('.'))]);
  const host = readHost(problems);
  return { host, gpus, drive, problems, advice: host ? advise(host) : [] };
}

/** A binary that is missing is what a doctor is called for, not a reason to give up. */
function readHost(problems: string[]): HostInfo | undefined {
  try {
    return hostInfo();
  } catch (error) {
    if (!isPipelineError(error, 'NATIVE_BINARY_MISSING')) throw error;
    problems.push(error.message);
    return undefined;
  }
}

function advise(host: HostInfo): string[] {
  const advice: string[] = [];
  if (host.hugePages === 'never') {
    advice.push(
      'Huge pages are off; on, reading weights is 2 to 5 % faster: echo madvise > /sys/kernel/mm/transparent_hugepage/enabled',
    );
  }
  if (host.kernels.find(({ chosen }) => chosen)?.name === 'scalar') {
    advice.push('No kernel set of this release fits the processor; the slow reference is used.');
  }
  return advice;
}

function show({ host, gpus, drive, problems, advice }: Diagnosis): void {
  print(colors.bold(`thermocline ${manifest.version}`));
  print(`  Node ${process.versions.node}, ${process.platform} ${process.arch}`);
  if (host !== undefined) showHost(host);
  section('graphics');
  if (gpus.length === 0) print('  no GPU found; everything runs on the processor');
  for (const gpu of gpus) print(`  ${gpu.used ? '✓' : '–'} ${gpu.name}: ${gpu.reason}`);
  section('drive of this folder');
  print(`  ${oneLine(drive.device)}, ${drive.file_system}`);
  const [free, all] = [drive.available_bytes, drive.capacity_bytes].map(formatBytes);
  print(`  ${free} free of ${all}; thermocline probe measures its speed`);
  print();
  for (const problem of problems) print(`${colors.red('✗')} ${problem}`);
  for (const line of advice) print(`${colors.yellow('!')} ${line}`);
  if (problems.length === 0) print(`${colors.green('✓')} Thermocline can run here.`);
}

function showHost(host: HostInfo): void {
  section('processor');
  const { model, cores, threads, features } = host.cpu;
  print(`  ${oneLine(model)}, ${cores} cores, ${threads} threads`);
  print(`  instruction sets: ${features.join(', ') || 'none that the kernels ask for'}`);
  section('kernel sets');
  const rows = host.kernels.map(({ name, supported, chosen, why }) => [
    chosen ? colors.green('✓') : supported ? ' ' : colors.dim('–'),
    name,
    chosen ? why : colors.dim(why),
  ]);
  print(table(rows));
  section('native binary');
  print(`  ${host.binary}`);
  section('memory');
  const { totalBytes, availableBytes } = host.memory;
  print(
    `  ${formatBytes(availableBytes)} available of ${formatBytes(totalBytes)}; ` +
      `huge pages: ${host.hugePages ?? 'unknown'}`,
  );
}

function section(title: string): void {
  print();
  print(colors.bold(title));
}

function toJson({ host, gpus, drive, problems, advice }: Diagnosis) {
  return {
    version: manifest.version,
    node: process.versions.node,
    platform: process.platform,
    arch: process.arch,
    cpu: host?.cpu,
    kernels: host?.kernels,
    binary: host?.binary,
    memory: host && {
      total_bytes: host.memory.totalBytes,
      available_bytes: host.memory.availableBytes,
      huge_pages: host.hugePages,
    },
    gpus,
    drive,
    problems,
    advice,
  };
}
