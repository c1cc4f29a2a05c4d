/** The facts in an SDK error. Its text is never shown, since it may quote a request. */
export interface ForeignError {
  /** HTTP status; undefined without an answer. */
  readonly status: number | undefined;
  /** `error` of OAuth 2.0, `error.code` of Key Vault, or the network's code such as ENOTFOUND. */
  readonly code: string;
  /** `error.innererror.code` of Key Vault. */
  readonly innerCode: string;
  /** Number of an AADSTS code; undefined without one. */
  readonly aadsts: number | undefined;
  /** Number of an AKV code, such as AKV10032; undefined without one. */
  readonly akv: number | undefined;
  /** Seconds; undefined without the header. */
  readonly retryAfter: number | undefined;
  /** Entra requires a proof that an app cannot give: Conditional Access. */
  readonly hasClaims: boolean;
}

type Bag = Readonly<Record<string, unknown>>;
const isBag = (value: unknown): value is Bag => typeof value === 'object' && value !== null;

/**
 * Returns the facts of the error, or else of its causes, where @azure/identity puts the error of
 * MSAL.
 */
export function readForeignError(error: unknown): ForeignError {
  const chain = causes(error);
  const first = <T>(read: (bag: Bag) => T | undefined): T | undefined => {
    for (const bag of chain) {
      const value = read(bag);
      if (value !== undefined) return value;
    }
    return undefined;
  };
  return {
    status: first((bag) => number(bag['statusCode']) ?? number(bag['status'])),
    code: first((bag) => text(bag['errorCode']) ?? text(bag['code'])) ?? '',
    innerCode: first(innerCodeOf) ?? '',
    aadsts: first((bag) => number(Number(bag['errorNo'])) ?? codeIn(bag, /AADSTS(\d+)/)),
    akv: first((bag) => codeIn(bag, /AKV(\d+)/)),
    retryAfter: first((bag) => number(bag['retryAfter']) ?? retryAfterOf(bag)),
    hasClaims: chain.some((bag) => bag['hasClaims'] === true || text(bag['claims']) !== undefined),
  };
}

/** Status of a vault's refusals; 401 and 429 are no refusals. */
const REFUSALS: ReadonlySet<number | undefined> = new Set([400, 403, 404]);

/**
 * Returns whether the vault itself refused. Its refusals have a code. One without comes from a
 * proxy, a gateway or another server at the vault's address, and says nothing about access.
 */
export const isRefusedByVault = ({ status, code }: Pick<ForeignError, 'status' | 'code'>): boolean =>
  code !== '' && REFUSALS.has(status);

/** Returns whether something else answered in the vault's place. */
export const isAnotherServer = ({ status, code }: Pick<ForeignError, 'status' | 'code'>): boolean =>
  code === '' && REFUSALS.has(status);

function causes(error: unknown): Bag[] {
  const chain: Bag[] = [];
  for (let at = error; isBag(at) && chain.length < 5; at = at['cause']) chain.push(at);
  return chain;
}

function innerCodeOf(bag: Bag): string | undefined {
  const details = bag['details'];
  const inside = isBag(details) && isBag(details['error']) ? details['error'] : undefined;
  const inner = inside && (inside['innererror'] ?? inside['innerError']);
  return isBag(inner) ? text(inner['code']) : undefined;
}

function retryAfterOf(bag: Bag): number | undefined {
  const response = bag['response'];
  const headers = isBag(response) ? response['headers'] : undefined;
  if (!isBag(headers) || typeof headers['get'] !== 'function') return undefined;
  const seconds = Number(headers['get']('retry-after') ?? Number.NaN);
  return Number.isFinite(seconds) && seconds >= 0 ? Math.ceil(seconds) : undefined;
}

const text = (value: unknown): string | undefined => (typeof value === 'string' && value !== '' ? value : undefined);
const number = (value: unknown): number | undefined =>
  typeof value === 'number' && Number.isFinite(value) && value > 0 ? value : undefined;

function codeIn(bag: Bag, pattern: RegExp): number | undefined {
  const digits = pattern.exec(text(bag['message']) ?? '')?.[1];
  return digits === undefined ? undefined : Number(digits);
}
