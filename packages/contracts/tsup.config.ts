import { packageConfig } from '../../tsup.config.base.js';

// The suites run under vitest, which is ESM only; their CommonJS twin is not published.
export default packageConfig({
  entry: {
    index: 'src/index.ts',
    'testing/index': 'src/testing/index.ts',
    'testing/golden': 'src/testing/golden-files.ts',
  },
});
