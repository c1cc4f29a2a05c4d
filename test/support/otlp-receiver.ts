import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';

interface Attribute {
  readonly key: string;
  readonly value: Readonly<Record<string, unknown>>;
}

export interface ReceivedSpan {
  readonly name: string;
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId?: string;
  readonly kind: number;
  readonly attributes: readonly Attribute[];
}

export interface ReceivedLog {
  readonly timeUnixNano: string;
  readonly severityNumber: number;
  readonly eventName: string;
  readonly body: object;
  readonly attributes: readonly Attribute[];
}

interface LogsAnswer {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: object;
}

/** A collector of traces and logs in this process: OTLP over HTTP, JSON. */
export interface OtlpReceiver extends AsyncDisposable {
  readonly url: string;
  readonly spans: readonly ReceivedSpan[];
  /** Log records of the calls that it accepted. */
  readonly logs: readonly ReceivedLog[];
  /** Number of calls with logs. */
  logCalls: number;
  /** Its answer to the next calls with logs: 200 by default. */
  answerLogs: (call: { readonly authorization: string | undefined; readonly records: number }) => LogsAnswer;
  /** Returns everything that was sent. */
  text(): string;
}

interface LogsExport {
  readonly resourceLogs: readonly { readonly scopeLogs: readonly { readonly logRecords: readonly ReceivedLog[] }[] }[];
}

interface Export {
  readonly resourceSpans: readonly { readonly scopeSpans: readonly { readonly spans: readonly ReceivedSpan[] }[] }[];
}

export async function startOtlpReceiver(): Promise<OtlpReceiver> {
  const spans: ReceivedSpan[] = [];
  const bodies: string[] = [];
  const take = async (req: IncomingMessage) => {
    const body = await text(req);
    if (req.url !== '/v1/traces') return;
    bodies.push(body);
    const { resourceSpans } = JSON.parse(body) as Export;
    spans.push(...resourceSpans.flatMap(({ scopeSpans }) => scopeSpans.flatMap((scope) => scope.spans)));
  };
  const logs: ReceivedLog[] = [];
  const takeLogs = async (req: IncomingMessage): Promise<LogsAnswer> => {
    const { resourceLogs } = JSON.parse(await text(req)) as LogsExport;
    const records = resourceLogs.flatMap(({ scopeLogs }) => scopeLogs.flatMap((scope) => scope.logRecords));
    receiver.logCalls += 1;
    const answer = receiver.answerLogs({ authorization: req.headers.authorization, records: records.length });
    if (answer.status === 200) logs.push(...records);
    return answer;
  };
  const server = createServer((req, res) => {
    if (req.url === '/v1/logs') {
      void takeLogs(req).then(({ status, headers, body = {} }) =>
        res.writeHead(status, { 'Content-Type': 'application/json', ...headers }).end(JSON.stringify(body)),
      );
      return;
    }
    const answer = (status: number) => res.writeHead(status, { 'Content-Type': 'application/json' }).end('{}');
    take(req).then(
      () => answer(200),
      () => answer(400),
    );
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const receiver: OtlpReceiver = {
    logs,
    logCalls: 0,
    answerLogs: () => ({ status: 200 }),
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    spans,
    text: () => bodies.join('\n'),
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
  return receiver;
}

/** Returns the attributes by name; values as received, whatever their type. */
export const attributesOf = ({ attributes }: Pick<ReceivedSpan, 'attributes'>): Readonly<Record<string, unknown>> =>
  Object.fromEntries(attributes.map(({ key, value }) => [key, Object.values(value)[0]]));
