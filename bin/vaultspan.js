#!/usr/bin/env node
// Starts the command line on the Node that the package brings along, whatever Node runs this file.
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const at = (path) => fileURLToPath(new URL(path, import.meta.url));
// A checkout runs its sources, whatever an earlier build left; an installation has dist alone.
const main = existsSync(at('../src/main.ts')) ? at('../src/main.ts') : at('../dist/main.js');
if (Number(process.versions.node.split('.')[0]) >= 26) {
  await import(main);
} else {
  const node = at('../node_modules/.bin/node');
  const child = spawn(existsSync(node) ? node : 'node', [main, ...process.argv.slice(2)], { stdio: 'inherit' });
  for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => child.kill(signal));
  child.on('exit', (code) => process.exit(code ?? 1));
}
