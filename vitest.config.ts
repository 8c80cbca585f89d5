import { defineConfig } from 'vitest/config';

const native = 'packages/engine-native/src/**/*.test.ts';

export default defineConfig({
  test: {
    // A crash in the addon ends one fork and is reported; under threads it ends the whole run.
    pool: 'forks',
    maxWorkers: 2,
    testTimeout: 30_000,
    hookTimeout: 60_000,
    coverage: { provider: 'v8', include: ['packages/*/src/**/*.ts', 'apps/*/src/**/*.ts'] },
    projects: [
      {
        extends: true,
        test: {
          name: 'unit',
          include: ['packages/*/src/**/*.test.ts', 'apps/*/src/**/*.test.ts'],
          exclude: [native, '**/node_modules/**', '**/dist/**'],
        },
      },
      {
        extends: true,
        test: { name: 'native', include: [native], testTimeout: 60_000 },
      },
      {
        extends: true,
        test: { name: 'e2e', include: ['e2e/**/*.test.ts'], testTimeout: 180_000 },
      },
    ],
  },
});
