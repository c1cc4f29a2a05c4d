import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import * as z from 'zod';

const NATIVE = join(import.meta.dirname, '..', 'native');

/** SPDX expressions by name and version, which `npm run native` writes: the lock has none. */
export const LICENCES_OF_CRATES = join(NATIVE, 'licences.json');

/** A crate of the native accelerator, those of its build included. */
export interface Crate {
  readonly name: string;
  readonly version: string;
  /** SPDX expression, or `none`. */
  readonly licence: string;
  /** SHA-256 of its archive, hexadecimal. */
  readonly checksum: string;
  readonly isDirect: boolean;
  /** Names of the crates that it needs, which have one version each. */
  readonly needs: readonly string[];
}

/** Returns the crates that native/Cargo.lock pins. This needs no cargo. */
export function cratesOfNative(): readonly Crate[] {
  const licences = z.record(z.string(), z.string()).parse(JSON.parse(readFileSync(LICENCES_OF_CRATES, 'utf8')));
  const [, ...blocks] = readFileSync(join(NATIVE, 'Cargo.lock'), 'utf8').split('[[package]]\n');
  const packages = blocks.map((block) => {
    const of = (member: string) => new RegExp(`^${member} = "(.*)"$`, 'm').exec(block)?.[1] ?? '';
    const needs = /^dependencies = \[([^\]]*)\]/m.exec(block)?.[1]?.matchAll(/"([^" ]+)/g) ?? [];
    return {
      name: of('name'),
      version: of('version'),
      checksum: of('checksum'),
      needs: [...needs].map(([, name = '']) => name),
    };
  });
  const own = packages.find(({ checksum }) => checksum === '');
  return packages
    .filter((one) => one !== own)
    .map((one) => ({
      ...one,
      licence: licences[`${one.name} ${one.version}`] ?? 'none',
      isDirect: own?.needs.includes(one.name) === true,
    }));
}
