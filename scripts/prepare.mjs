// npm runs this after `npm ci`, also with --omit=dev, where there is nothing to build the console with. It is
// JavaScript because the Node of such a machine may not run TypeScript.
import { existsSync } from 'node:fs';

if (existsSync(new URL('../node_modules/vite', import.meta.url))) await import('./build-pages.ts');
