#!/usr/bin/env node
// Starts the command line on the Node that the package brings along, whatever Node runs this file.
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const at = (path) => new URL(path, import.meta.url);
// A checkout runs its sources, whatever an earlier build left; an installation has dist alone.
const main = existsSync(at('../src/main.ts')) ? at('../src/main.ts') : at('../dist/main.js');
if (Number(process.versions.node.split('.')[0]) >= 26) {
  await import(main.href);
} else {
  const node = at('../node_modules/.bin/node');
  if (!existsSync(node)) {
    process.stderr.write(`vaultspan: Node ${process.versions.node} is too old: run it with Node 26 or newer\n`);
    process.exit(2);
  }
  const child = spawn(fileURLToPath(node), [fileURLToPath(main), ...process.argv.slice(2)], { stdio: 'inherit' });
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal));
  child.on('exit', (code) => process.exit(code ?? 1));
}
