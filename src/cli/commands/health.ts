import { once } from 'node:events';
import { type IncomingMessage, request } from 'node:http';
import { request as requestTls } from 'node:https';
import { connect } from 'node:tls';
import type { Config } from '../../config/resolved.ts';
import { noArguments, readArguments } from '../support/arguments.ts';
import type { Command } from '../support/command.ts';
import { readConfig } from '../support/read-config.ts';

const DEADLINE_MS = 4_000;

export const health: Command = {
  name: 'health',
  summary: 'Check that the service on this machine answers',
  help: `
Usage: vaultspan health [--config FILE]

Requests /healthz at the address of the configuration, over loopback if the service listens on all addresses. It is for health checks,
for example of containers, without a shell or curl. If every client must present a certificate, a TLS handshake is enough.
With several processes on the port any of them may answer.
Exit codes: 0 healthy, 1 no answer within ${DEADLINE_MS / 1_000} s, 2 wrong configuration.`,
  async run(args, io) {
    const { values, positionals } = readArguments(args, { config: { type: 'string' } });
    noArguments(positionals);
    const { http } = readConfig(values.config, io);
    const signal = AbortSignal.any([io.signal, AbortSignal.timeout(DEADLINE_MS)]);
    io.progress('waiting for the service');
    try {
      await (http.certificate?.clientCaFile === undefined ? askHealth(http, signal) : shakeHands(http, signal));
      return 0;
    } catch (error) {
      io.stderr(`no answer: ${Error.isError(error) ? error.message : ''}\n`);
      return 1;
    }
  },
};

type Listener = Pick<Config['http'], 'host' | 'port' | 'tls'>;

/**
 * The command calls its own machine and sends no secret, and an expired certificate is no reason to
 * restart the service.
 */
const whoeverAnswers = { rejectUnauthorized: false };

async function askHealth({ host, port, tls }: Listener, signal: AbortSignal): Promise<void> {
  const options = { host: reachable(host), port, path: '/healthz', agent: false, signal } as const;
  const asked = tls === 'certificate' ? requestTls({ ...options, ...whoeverAnswers }) : request(options);
  const [{ statusCode }] = (await once(asked.end(), 'response')) as [IncomingMessage];
  asked.destroy();
  if (statusCode !== 200) throw new Error(`/healthz returned ${statusCode ?? 'nothing'}`);
}

async function shakeHands({ host, port }: Listener, signal: AbortSignal): Promise<void> {
  const socket = connect({ host: reachable(host), port, ...whoeverAnswers });
  try {
    await once(socket, 'secureConnect', { signal });
  } finally {
    socket.on('error', () => undefined).destroy(); // the server reports the missing certificate
  }
}

function reachable(host: string): string {
  if (host === '0.0.0.0') return '127.0.0.1';
  return host === '::' ? '::1' : host;
}
