import { defineConfig } from 'vitest/config';

// Property tests take as long as they are asked to: nothing here is timed.
export default defineConfig({ test: { include: ['test/**/*.test.ts'], environment: 'node', testTimeout: 0 } });
