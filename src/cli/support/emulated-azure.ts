import { readFileSync } from 'node:fs';
import { getCACertificates, setDefaultCACertificates } from 'node:tls';
import type { Config } from '../../config/resolved.ts';
import type { ProcessIo } from './command.ts';
import { bypassLoopback } from './outgoing-proxy.ts';

/**
 * Prepares this process for the emulated Azure. It trusts the emulator's CA, gives the SDK the
 * managed identity's address, and bypasses a proxy of the environment. Does nothing without the
 * emulator.
 */
export function prepareForEmulator(
  { emulator }: Pick<Config, 'emulator'>,
  io: Pick<ProcessIo, 'env' | 'setEnv'>,
): void {
  if (!emulator) return;
  bypassLoopback(io);
  trustCa(readFileSync(emulator.caFile, 'utf8'));
  io.setEnv('IDENTITY_ENDPOINT', emulator.identityEndpoint);
  io.setEnv('IDENTITY_HEADER', emulator.identityHeader);
}

/** Trusts a CA. NODE_EXTRA_CA_CERTS is read only at the start of a process. */
export function trustCa(pem: string): void {
  setDefaultCACertificates([...getCACertificates('default'), pem]);
}
