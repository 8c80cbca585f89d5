import { packageConfig } from '../../tsup.config.base.js';

// A program, not a library: one CommonJS file, which starts fastest, and no types. The second pass
// that drops unused code would load at the start what commands load when they are called.
export default packageConfig({
  entry: ['src/bin.ts'],
  format: ['cjs'],
  dts: false,
  treeshake: false,
});
