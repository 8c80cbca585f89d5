import { packageConfig } from '../../tsup.config.base.js';

// A program, not a library: one CommonJS file, which starts fastest, and no types.
export default packageConfig({ entry: ['src/bin.ts'], format: ['cjs'], dts: false });
