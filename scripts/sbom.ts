import { execFileSync } from 'node:child_process';
import process from 'node:process';
import * as z from 'zod';
import { cratesOfNative } from './crates.ts';
import { shippedPackages } from './production-packages.ts';

/**
 * The runtime, which npm does not know: the official Node.js that runs this script, or the image's.
 */
const runtime = {
  type: 'platform',
  'bom-ref': `pkg:generic/node@${process.versions.node}`,
  name: 'node',
  version: process.versions.node,
  purl: `pkg:generic/node@${process.versions.node}`,
  description: 'Node.js, from nodejs.org or the official image; the packages named node-* are for development only',
};

/**
 * Prints the SBOM of the production packages, CycloneDX in npm's form. npm lists everything and the
 * lock decides here: `npm sbom --omit dev` (npm 11.19) also leaves out production packages as soon
 * as a development package needs them too, such as zod.
 */
const Sbom = z.looseObject({
  components: z.array(z.looseObject({ 'bom-ref': z.string(), name: z.string(), version: z.string() })),
  dependencies: z.array(z.object({ ref: z.string(), dependsOn: z.array(z.string()) })),
  metadata: z.looseObject({ component: z.looseObject({ 'bom-ref': z.string() }) }),
});

const MAX_BYTES = 64 * 1024 * 1024;
const everything = Sbom.parse(
  JSON.parse(execFileSync('npm', ['sbom', '--sbom-format', 'cyclonedx'], { encoding: 'utf8', maxBuffer: MAX_BYTES })),
);
const wanted = new Set(shippedPackages().map(({ name, version }) => `${name}@${version}`));
const components = everything.components.filter(({ name, version }) => wanted.has(`${name}@${version}`));
const kept = new Set([
  everything.metadata.component['bom-ref'],
  ...components.map((component) => component['bom-ref']),
]);
const dependencies = everything.dependencies
  .filter(({ ref }) => kept.has(ref))
  .map(({ ref, dependsOn }) => ({ ref, dependsOn: dependsOn.filter((needed) => kept.has(needed)) }));
const root = everything.metadata.component['bom-ref'];
const crates = cratesOfNative();
const refs = new Map(crates.map(({ name, version }) => [name, `pkg:cargo/${name}@${version}`]));
/** The crates of the native accelerator, which the image contains and a checkout may not have. */
const ofCrates = crates.map(({ name, version, licence, checksum }) => ({
  type: 'library',
  'bom-ref': refs.get(name),
  name,
  version,
  scope: 'optional',
  purl: refs.get(name),
  hashes: [{ alg: 'SHA-256', content: checksum }],
  licenses: [{ expression: licence }],
}));
const refsOf = (names: readonly string[]): readonly string[] => names.flatMap((name) => refs.get(name) ?? []);
const needs = new Map([
  ...dependencies.map(({ ref, dependsOn }) => [ref, dependsOn] as const),
  ...crates.map(({ name, needs }) => [refs.get(name) ?? name, refsOf(needs)] as const),
]);
const direct = crates.filter(({ isDirect }) => isDirect).map(({ name }) => name);
needs.set(root, [...(needs.get(root) ?? []), ...refsOf(direct)]);
const sbom = {
  ...everything,
  components: [runtime, ...components, ...ofCrates],
  dependencies: [...needs].map(([ref, dependsOn]) => ({ ref, dependsOn })),
};
process.stdout.write(`${JSON.stringify(sbom, undefined, 2)}\n`);
