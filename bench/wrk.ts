import { execFile } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { MeasuredServer } from './cpu.ts';

export interface Load {
  /** Requested in turn. */
  readonly paths: readonly string[];
  readonly body: unknown;
  readonly token: string;
}

export interface Measured {
  readonly requestsPerSecond: number;
  /** CPU of the server, without the client. */
  readonly cpuMicroseconds: number;
  readonly p99Milliseconds: number;
}

const CONNECTIONS = 32;
const run = promisify(execFile);

/**
 * Returns one run of wrk.
 * @throws Error when an answer was not 2xx
 */
export async function wrk(server: MeasuredServer, load: Load, seconds: number, folder: string): Promise<Measured> {
  const script = join(folder, 'load.lua');
  await writeFile(join(folder, 'body.json'), JSON.stringify(load.body));
  await writeFile(
    script,
    `wrk.method = "POST"
wrk.body = io.open("${join(folder, 'body.json')}"):read("*a")
wrk.headers["Content-Type"] = "application/json"
wrk.headers["Authorization"] = "Bearer ${load.token}"
local paths = {${load.paths.map((path) => JSON.stringify(path)).join(',')}}
if #paths > 1 then
  local requests, at = {}, 0
  request = function()
    at = at % #paths + 1
    requests[at] = requests[at] or wrk.format(nil, paths[at])
    return requests[at]
  end
end
done = function(summary, latency)
  local e = summary.errors
  io.write(string.format("RESULT %d %d %d %d\\n", summary.requests, summary.duration, latency:percentile(99),
    e.connect + e.read + e.write + e.status + e.timeout))
end
`,
  );
  const before = await server.usage();
  const args = [
    '-t1',
    `-c${CONNECTIONS}`,
    '--timeout',
    '30s',
    `-d${seconds}s`,
    '-s',
    script,
    server.url + load.paths[0],
  ];
  const { stdout } = await run('wrk', args);
  const after = await server.usage();
  const [requests = 0, duration = 1, p99 = 0, errors = 0] = (/RESULT (.*)/.exec(stdout)?.[1] ?? '')
    .split(' ')
    .map(Number);
  if (errors > 0 || requests === 0) throw new Error(`${errors} of ${requests} requests to ${load.paths[0]} failed`);
  return {
    requestsPerSecond: requests / (duration / 1e6),
    cpuMicroseconds: (after.cpuMicroseconds - before.cpuMicroseconds) / requests,
    p99Milliseconds: p99 / 1_000,
  };
}
