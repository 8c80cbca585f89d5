// The packages of this workspace that are published.
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT } from './setup.mjs';

const FOLDERS = ['packages', 'packages/engine-native/npm', 'apps'];

export function publishedPackages() {
  const found = [];
  for (const folder of FOLDERS.map((name) => join(ROOT, name)).filter(existsSync)) {
    for (const name of readdirSync(folder).sort()) {
      const path = join(folder, name);
      if (!existsSync(join(path, 'package.json'))) continue;
      const manifest = JSON.parse(readFileSync(join(path, 'package.json'), 'utf8'));
      if (!manifest.private) found.push({ path, manifest });
    }
  }
  return found;
}
