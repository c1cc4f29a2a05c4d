import { join } from 'node:path';
import supertest from 'supertest';
import { startService } from '../../src/compose/service.ts';
import { createLogger } from '../../src/telemetry/logger.ts';
import { configOf, settingsFor } from './config.ts';
import type { TestService } from './start-service.ts';

export interface SecondProcess extends AsyncDisposable {
  /** Address of the metrics; '' if they are disabled. */
  readonly metricsUrl: string;
  post(path: string, body: unknown, token?: string): supertest.Test;
  readonly url: string;
  readonly logLines: readonly string[];
}

/**
 * Starts another process of the same deployment, on the same emulated Azure, tenants file and
 * clock: its caches are cold. The SDK keeps one cache of managed identity tokens for the whole
 * module. So a test file has one emulator and as many of these as it needs.
 */
export async function startSecondProcess(
  { emulator, folder, clock, token }: TestService,
  config: Record<string, unknown> = {},
): Promise<SecondProcess> {
  const logLines: string[] = [];
  const service = await startService({
    config: configOf({
      ...settingsFor(emulator, folder),
      database: { file: join(folder, 'second.db') },
      ...config,
    }),
    logger: createLogger('debug', (line) => logLines.push(line)),
    clock,
  });
  const agent = supertest(service.url);
  return {
    metricsUrl: service.metricsUrl ?? '',
    post: (path, body, bearer = token()) =>
      agent
        .post(path)
        .set('Authorization', `Bearer ${bearer}`)
        .set('Content-Type', 'application/json')
        .send(JSON.stringify(body)),
    url: service.url,
    logLines,
    [Symbol.asyncDispose]: () => service.stop(),
  };
}
