import { answerTypes, type Operation, type Parameter } from '../contract.ts';

/** What a person enters for one call. */
export interface Inputs {
  /** Values by parameter; an empty one is not sent. */
  readonly parameters: Readonly<Record<string, string>>;
  /** JSON or text, or a file to be sent as it is; an empty text is not sent. */
  readonly body: string | File;
  /** One of the media types of the answer. */
  readonly accept: string;
}

/** One call of the service, without the token. */
export interface ServiceRequest {
  readonly method: string;
  /** Relative to the address of the service. */
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string | File;
  readonly needsToken: boolean;
  /** Media type of the expected answer; empty: an answer without content. */
  readonly answerType: string;
}

/** Values that the contract's own examples lack, or that name something only its author has. */
const STARTING: Readonly<Record<string, Partial<Inputs>>> = {
  getLogProof: { parameters: { sequence: '0' } },
  rewrapBranchKeys: { body: '{}' },
  encryptStream: { body: 'hello' },
};

/** Returns the inputs of the contract's examples. */
export function exampleInputs(operation: Operation): Inputs {
  const examples = operation.parameters
    .filter(({ required }) => required)
    .map(({ name, schema }) => [name, textOf(schema.example ?? schema.default ?? schema.enum?.[0])]);
  const { body, parameters } = STARTING[operation.id] ?? {};
  return {
    parameters: { ...Object.fromEntries(examples), ...parameters },
    body: body ?? (operation.body?.example === undefined ? '' : JSON.stringify(operation.body.example, undefined, 2)),
    accept: answerTypes(operation)[0] ?? '',
  };
}

/** Returns the request that the inputs make. */
export function requestOf(operation: Operation, { parameters, body, accept }: Inputs): ServiceRequest {
  const valuesOf = (place: Parameter['in']) =>
    operation.parameters
      .map((parameter) => ({ parameter, value: parameters[parameter.name] ?? '' }))
      .filter(({ parameter, value }) => parameter.in === place && (value !== '' || place === 'path'));
  const path = valuesOf('path').reduce(
    (text, { parameter, value }) => text.replace(`{${parameter.name}}`, pathPart(parameter, value)),
    operation.path.slice(1),
  );
  const query = new URLSearchParams(
    valuesOf('query').map(({ parameter, value }) => [parameter.name, value]),
  ).toString();
  const headers = Object.fromEntries(valuesOf('header').map(({ parameter, value }) => [parameter.name, value]));
  const [usual = ''] = answerTypes(operation);
  return {
    method: operation.method,
    path: query === '' ? path : `${path}?${query}`,
    headers: {
      ...(operation.body && body !== '' && { 'Content-Type': operation.body.type }),
      ...(accept !== usual && { Accept: accept }),
      ...headers,
    },
    body: operation.body ? body : '',
    needsToken: operation.needsToken,
    answerType: accept,
  };
}

/** Sends a request and returns its answer. */
export function send(base: string, request: ServiceRequest, token: string, signal?: AbortSignal): Promise<Response> {
  return fetch(new URL(request.path, base), {
    method: request.method,
    headers: { ...request.headers, ...(request.needsToken && token !== '' && { Authorization: `Bearer ${token}` }) },
    body: request.body === '' ? null : request.body,
    signal: signal ?? null,
    cache: 'no-store',
    credentials: 'omit',
    redirect: 'error',
  });
}

/** Returns the encoded value. A slash stays where the parameter may have one, as in `x001/067`. */
function pathPart({ schema }: Parameter, value: string): string {
  const encoded = encodeURIComponent(value);
  return schema.pattern?.includes('\\/') ? encoded.replaceAll('%2F', '/') : encoded;
}

const textOf = (value: unknown): string =>
  typeof value === 'string' ? value : value === undefined ? '' : JSON.stringify(value);
