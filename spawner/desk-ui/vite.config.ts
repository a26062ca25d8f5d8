import { defineConfig } from 'vitest/config';

export default defineConfig({
  // The desk's templates take the names of the files from the manifest.
  base: './',
  build: {
    outDir: '../gpudock/desk/static/dist',
    emptyOutDir: true,
    manifest: 'manifest.json',
    target: 'es2022',
    modulePreload: { polyfill: false },
    rolldownOptions: {
      input: 'src/main.tsx',
      onLog(level, log, handle) {
        // "use client" is for frameworks that render on a server. It has no effect here.
        if (log.code !== 'MODULE_LEVEL_DIRECTIVE') handle(level, log);
      }
    }
  },
  test: {
    environment: 'jsdom',
    testTimeout: 60_000,
    include: ['src/**/__tests__/*.test.{ts,tsx}'],
    setupFiles: ['src/testing/setup.ts']
  }
});
