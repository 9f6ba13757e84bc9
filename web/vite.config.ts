import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vite';

const page = (name: string) => fileURLToPath(new URL(name, import.meta.url));

export default defineConfig({
  appType: 'mpa',
  build: {
    target: 'es2022',
    // The policy of the pages allows no inline code, so nothing may become a data: URL.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    // Swagger UI, on its own page, is one big file and cannot be split.
    chunkSizeWarningLimit: 1600,
    rolldownOptions: {
      input: [page('index.html'), page('docs.html')],
      // janus.js asks whether it is a CommonJS module; here it is not, and all is well.
      checks: { commonJsVariableInEsm: false },
    },
  },
});
