import { readFileSync } from 'node:fs';
import { getCACertificates, setDefaultCACertificates } from 'node:tls';
import type { Config } from '../../config/resolved.ts';
import type { CommandIo } from './command.ts';

/**
 * Lets this process meet the emulated Azure as it would meet the real one: its throwaway CA is trusted beside the others, and the
 * managed identity is where the SDK looks for it. Nothing to do without the emulator.
 */
export function prepareForEmulator({ emulator }: Pick<Config, 'emulator'>, io: Pick<CommandIo, 'setEnv'>): void {
  if (!emulator) return;
  trustCa(readFileSync(emulator.caFile, 'utf8'));
  io.setEnv('IDENTITY_ENDPOINT', emulator.identityEndpoint);
  io.setEnv('IDENTITY_HEADER', emulator.identityHeader);
}

/** NODE_EXTRA_CA_CERTS is read at the start of a process only. */
export function trustCa(pem: string): void {
  setDefaultCACertificates([...getCACertificates('default'), pem]);
}
