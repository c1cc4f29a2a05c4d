import { type Contract, type Operation, resolveSchema } from '../contract.ts';
import type { Inputs } from './request.ts';

/** A call that succeeded: what was sent and what came back. */
export interface Exchange {
  readonly sent: Inputs;
  readonly headers: Headers;
  readonly content: Uint8Array<ArrayBuffer>;
}

export interface Given {
  readonly contract: Contract;
  /** Sends an operation with values that work, and returns the exchange. */
  send(id: string, change?: Partial<Inputs>): Promise<Exchange>;
  /** Returns the last exchange of an operation that changes something; undefined if there was none. */
  last(id: string): Exchange | undefined;
}

interface Preparation {
  /** The operation whose answer has the values. */
  readonly from: string;
  /** It changes something, so only a person sends it. */
  readonly isByHand?: true;
  prepare(
    from: Exchange,
    inputs: Inputs,
    given: Given,
    operation: Operation,
  ): Partial<Inputs> | Promise<Partial<Inputs>>;
  /** Other inputs than the example's for the first operation. */
  change?(inputs: Inputs, given: Given): Promise<Partial<Inputs>>;
}

/** Ways to values that an operation accepts, such as a ciphertext, from the answer of another one. */
export const PREPARATIONS: Readonly<Record<string, Preparation>> = {
  decryptData: { from: 'encryptData', prepare: (from) => sealed(from) },
  rewrapData: { from: 'encryptData', prepare: (from) => sealed(from) },
  decryptBatch: { from: 'encryptBatch', prepare: (from) => sealedItems(from) },
  rewrapBatch: { from: 'encryptBatch', prepare: (from) => sealedItems(from) },
  decryptDocument: { from: 'encryptDocument', prepare: (from) => sealed(from) },
  rewrapDocument: { from: 'encryptDocument', prepare: (from) => sealed(from) },
  decryptDocumentBatch: { from: 'encryptDocumentBatch', prepare: (from) => sealedItems(from) },
  rewrapDocumentBatch: { from: 'encryptDocumentBatch', prepare: (from) => sealedItems(from) },
  decryptDeterministic: {
    from: 'encryptDeterministic',
    prepare: (from) => {
      const { write } = json<{ write: { values: readonly string[] } }>(from);
      return body({ values: write.values, encryptionContext: sentBody(from)['encryptionContext'] });
    },
  },
  unwrapKey: { from: 'wrapKey', prepare: (from) => body(json(from)) },
  createLease: { from: 'getTenant', prepare: (from) => body({ key: compactKey(from) }) },
  openLeases: {
    from: 'encryptData',
    prepare: (from) => body({ messages: [members(sealed(from).body)] }),
    change: async (inputs, { send }) => {
      const key = compactKey(await send('getTenant', sameTenant(inputs)));
      return body({ plaintext: 'aGVsbG8=', encryptionContext: { purpose: 'invoice' }, key });
    },
  },
  reportLeaseUsage: {
    from: 'createLease',
    isByHand: true,
    prepare: (from) => ({
      parameters: { leaseId: json<{ leaseId: string }>(from).leaseId },
      ...body({ sealed: 1, opened: {}, bytes: 5, isFinal: true }),
    }),
  },
  decryptStream: {
    from: 'encryptStream',
    prepare: ({ content, sent }) => ({
      parameters: { 'Encryption-Context': sent.parameters['Encryption-Context'] ?? '' },
      body: new File([content], 'encrypted.bin'),
    }),
  },
  rewrapStreamHeader: {
    from: 'encryptStream',
    prepare: ({ content }) => body({ ciphertext: headerOfStream(content) }),
  },
  putTenant: {
    from: 'getTenant',
    prepare: (from, _inputs, { contract }, operation) => {
      const known = operation.body ? resolveSchema(contract, operation.body.schema).properties : {};
      const record = Object.entries(json<object>(from)).filter(([name]) => name in (known ?? {}));
      return { ...ifMatch(from), ...body(Object.fromEntries(record)) };
    },
  },
  patchTenant: { from: 'getTenant', prepare: ifMatch },
  deleteTenant: { from: 'getTenant', prepare: ifMatch },
  retireIndexVersion: {
    from: 'getIndex',
    prepare: (from) => {
      const { versions } = json<{ versions: readonly { version: number; state: string }[] }>(from);
      return body({ version: versions.find(({ state }) => state !== 'retired')?.version ?? 1 });
    },
  },
  revokeOnboardingLink: {
    from: 'issueOnboardingLink',
    isByHand: true,
    prepare: (from) => ({ parameters: { linkId: json<{ id: string }>(from).id } }),
  },
  getDrill: { from: 'startDrill', isByHand: true, prepare: drillId },
  cancelDrill: { from: 'startDrill', isByHand: true, prepare: drillId },
  getLogTile: { from: 'getLogCheckpoint', prepare: lastTile },
  getLogEntries: { from: 'getLogCheckpoint', prepare: lastTile },
};

/** Returns inputs that work, from the answer of the operation that has them. */
export async function prepared(operation: Operation, inputs: Inputs, given: Given): Promise<Inputs> {
  const preparation = PREPARATIONS[operation.id];
  if (!preparation) return inputs;
  const change = { ...sameTenant(inputs), ...(await preparation.change?.(inputs, given)) };
  const from = preparation.isByHand ? given.last(preparation.from) : await given.send(preparation.from, change);
  if (!from) throw new Error(`Send ${preparation.from} first: its answer has the values.`);
  const { parameters, ...others } = await preparation.prepare(from, inputs, given, operation);
  return { ...inputs, ...others, parameters: { ...inputs.parameters, ...parameters } };
}

/** Returns the parameters that name a tenant and an index, which stay as they were entered. */
const sameTenant = ({ parameters }: Inputs): Pick<Inputs, 'parameters'> => ({
  parameters: Object.fromEntries(Object.entries(parameters).filter(([name]) => KEPT.has(name))),
});
const KEPT: ReadonlySet<string> = new Set(['tenantId', 'name']);

const body = (value: unknown): Pick<Inputs, 'body'> => ({ body: JSON.stringify(value, undefined, 2) });

/** Returns what the service sealed, with the context that it was sealed under. */
const sealed = (from: Exchange): { readonly body: string } => {
  const { keyId: _keyId, ...answered } = json<{ keyId: string }>(from);
  return {
    body: JSON.stringify({ ...answered, encryptionContext: sentBody(from)['encryptionContext'] }, undefined, 2),
  };
};

function sealedItems(from: Exchange): Pick<Inputs, 'body'> {
  const { items } = json<{ items: readonly { keyId: string }[] }>(from);
  const sent = sentBody(from)['items'] as readonly { encryptionContext?: unknown }[];
  return body({
    items: items.map(({ keyId: _keyId, ...answered }, at) => ({
      ...answered,
      encryptionContext: sent[at]?.encryptionContext,
    })),
  });
}

function ifMatch({ headers }: Exchange): Pick<Inputs, 'parameters'> {
  return { parameters: { 'If-Match': headers.get('ETag') ?? '' } };
}

function drillId(from: Exchange): Pick<Inputs, 'parameters'> {
  return { parameters: { drillId: json<{ report: { drillId: string } }>(from).report.drillId } };
}

/** Returns the alias of the tenant's first key whose messages are compact, which leases need. */
function compactKey(tenant: Exchange): string {
  const { keys } = json<{ keys: Readonly<Record<string, { form?: string }>> }>(tenant);
  const found = Object.entries(keys).find(([, { form }]) => form === 'compact');
  if (!found) throw new Error('The tenant has no key with the form compact, which leases need.');
  return found[0];
}

const TILE = 256;

/** Returns the number of the last tile of a log, whose size is the second line of its checkpoint. */
function lastTile({ content }: Exchange): Pick<Inputs, 'parameters'> {
  const size = Number(new TextDecoder().decode(content).split('\n')[1]);
  const [full, rest] = [Math.floor(size / TILE), size % TILE];
  return { parameters: { index: rest === 0 ? tileName(Math.max(0, full - 1)) : `${tileName(full)}.p/${rest}` } };
}

/** Returns the number as tlog-tiles writes it: `x001/067` for 1,067. */
function tileName(tile: number, prefix = ''): string {
  const part = `${prefix}${String(tile % 1_000).padStart(3, '0')}`;
  return tile < 1_000 ? part : `${tileName(Math.floor(tile / 1_000), 'x')}/${part}`;
}

const HEADER_AT = 'VSPN1\n'.length;

/** Returns the JWE at the start of an encrypted stream, after the format's name and its own length. */
function headerOfStream(stream: Uint8Array<ArrayBuffer>): string {
  const length = new DataView(stream.buffer, stream.byteOffset).getUint32(HEADER_AT);
  return new TextDecoder().decode(stream.subarray(HEADER_AT + 4, HEADER_AT + 4 + length));
}

const json = <Value>({ content }: Exchange): Value => JSON.parse(new TextDecoder().decode(content)) as Value;

const members = (text: string): Readonly<Record<string, unknown>> => JSON.parse(text) as Record<string, unknown>;

const sentBody = ({ sent }: Exchange): Readonly<Record<string, unknown>> =>
  typeof sent.body === 'string' ? members(sent.body) : {};
