// Writes the golden artifacts anew: `pnpm run fixtures`. Only a change of a format may change them.
import { fileURLToPath } from 'node:url';
import { writeGoldenFiles } from '../dist/testing/golden.js';

await writeGoldenFiles(fileURLToPath(new URL('../fixtures', import.meta.url)));
