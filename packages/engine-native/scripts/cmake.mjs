// Runs CMake for the scripts beside it: quiet unless it fails, and clear about what is missing.
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const PACKAGE = fileURLToPath(new URL('..', import.meta.url));

/** Configures and builds the core in `build/<folder>`; the folder, or null after a failure. */
export function buildNative(folder, options, targets = []) {
  const compiler = process.env.CXX ?? ['g++', 'clang++', 'c++'].find(runs);
  if (!runs('cmake')) return complain('No cmake found', 'CMake 3.19 or later', 'cmake');
  if (!compiler || !runs(compiler)) {
    return complain('No C++ compiler found', 'g++ 12 or clang 15, or set CXX', 'g++');
  }
  const build = join(PACKAGE, 'build', folder);
  const settings = Object.entries({ CMAKE_BUILD_TYPE: 'Release', ...options });
  const configure = ['-S', join(PACKAGE, 'native'), '-B', build];
  configure.push(...settings.map(([name, value]) => `-D${name}=${value}`));
  if (!process.env.CXX) configure.push(`-DCMAKE_CXX_COMPILER=${compiler}`);
  // A folder keeps the generator it was made with.
  const isNew = !existsSync(join(build, 'CMakeCache.txt'));
  if (isNew && !process.env.CMAKE_GENERATOR && runs('ninja')) configure.push('-G', 'Ninja');
  const compile = ['--build', build, '--parallel', String(availableParallelism())];
  if (targets.length > 0) compile.push('--target', ...targets);
  return cmake(configure) && cmake(compile) ? build : null;
}

function cmake(args) {
  const { status, stdout, stderr } = spawnSync('cmake', args, {
    encoding: 'utf8',
    maxBuffer: 1 << 28,
  });
  if (status !== 0) process.stderr.write(`cmake ${args.join(' ')}\n${stdout ?? ''}${stderr ?? ''}`);
  return status === 0;
}

function runs(command) {
  return spawnSync(command, ['--version'], { stdio: 'ignore' }).status === 0;
}

function complain(problem, wanted, debianPackage) {
  const remedy = `Install ${wanted} (Debian and Ubuntu: apt-get install ${debianPackage})`;
  process.stderr.write(`${problem}. ${remedy}, then run this again.\n`);
  return null;
}
