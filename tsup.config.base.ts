import { defineConfig, type Options } from 'tsup';

/**
 * The build every package shares: ESM and CommonJS with types, for Node 20 and up.
 * A package's own tsup.config.ts names only what differs, usually the entries.
 */
export function packageConfig(overrides: Options = {}) {
  return defineConfig({
    entry: ['src/index.ts'],
    format: ['esm', 'cjs'],
    target: 'node20',
    platform: 'node',
    // The bundler's declaration step still sets `baseUrl`, which TypeScript 6 deprecates.
    dts: { compilerOptions: { ignoreDeprecations: '6.0', types: ['node'] } },
    sourcemap: true,
    clean: true,
    shims: true,
    treeshake: true,
    ...overrides,
  });
}
