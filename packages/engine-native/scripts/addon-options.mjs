// What CMake must be told to build the addon: the headers come from npm, not from Node. The native
// tests are targets of the same build, and so of the very code that ships.
import { createRequire } from 'node:module';
import { dirname } from 'node:path';

const require = createRequire(import.meta.url);

export function addonOptions() {
  return {
    THERMOCLINE_ADDON: 'ON',
    THERMOCLINE_TESTS: 'ON',
    NODE_API_HEADERS: require('node-api-headers').include_dir,
    NODE_ADDON_API: dirname(require.resolve('node-addon-api/package.json')),
  };
}
