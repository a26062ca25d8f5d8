import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    environment: 'jsdom',
    testTimeout: 60_000,
    setupFiles: ['src/__tests__/setup.ts'],
    include: ['src/**/__tests__/*.test.{ts,tsx}'],
    // JupyterLab's packages are written for a bundler: they import without file extensions.
    server: { deps: { inline: [/@jupyterlab\//, /@jupyter\//, /@lumino\//] } }
  }
});
