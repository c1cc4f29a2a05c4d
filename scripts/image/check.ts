// Checks a built image and prints one line for each fault:
// node check.ts DOCKERFILE INSPECTED ROOT BASE, the last two being the trees of the image and of its base image.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import process from 'node:process';
import * as z from 'zod';
import { faultsOfBases, faultsOfConfig } from './config-faults.ts';
import { bytesUnder, faultsOfFiles } from './file-faults.ts';
import { readImage } from './image.ts';
import { faultsOfRun } from './run-faults.ts';

const [dockerfile = '', inspected = '', root = '', base = ''] = process.argv.slice(2);
const { license } = z
  .object({ license: z.string() })
  .parse(JSON.parse(readFileSync(join(import.meta.dirname, '..', '..', 'package.json'), 'utf8')));
const image = readImage(inspected, root);
const seen = [
  ...faultsOfBases(readFileSync(dockerfile, 'utf8')),
  ...faultsOfConfig(image, license),
  ...faultsOfFiles(image, base),
];
// What must not run does not run.
const faults = seen.length > 0 ? seen : await faultsOfRun(image);
const own = bytesUnder(join(root, 'app'));
const ofBase = bytesUnder(base);
const mib = (bytes: number): number => Math.round(bytes / 1024 / 1024);
for (const fault of faults) process.stdout.write(`${fault}\n`);
if (faults.length > 0) process.exitCode = 1;
else process.stdout.write(`${mib(own)} MiB of its own on a base of ${mib(ofBase)} MiB\n`);
