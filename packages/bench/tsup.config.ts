import { packageConfig } from '../../tsup.config.base.js';

// What measures runs in processes of its own: a program beside the library.
export default packageConfig({
  entry: ['src/index.ts', 'src/worker.ts'],
});
