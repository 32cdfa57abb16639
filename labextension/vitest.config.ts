import { defineConfig } from 'vitest/config';

export default defineConfig({
  esbuild: { jsx: 'transform' },
  test: {
    environment: 'jsdom',
    setupFiles: ['tests/setup.ts'],
    include: ['tests/**/*.test.{ts,tsx}'],
    server: {
      // Published as ES modules without extensions, or with style imports, which Node by itself won't load.
      deps: { inline: [/@jupyterlab/, /@jupyter\//, /@lumino/, /y-protocols/, /lib0/, /yjs/] }
    }
  }
});
