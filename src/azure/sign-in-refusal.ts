/**
 * Entra's answer to a sign-in, read from the response: MSAL's errors lack the headers, and some the
 * status too.
 */
export class SignInRefusal extends Error {
  override readonly name = 'SignInRefusal';
  readonly status: number;
  /** `error` of OAuth 2.0 (RFC 6749 §5.2); '' if the answer is no such error. */
  readonly errorCode: string;
  /** Number of the AADSTS code; undefined without one. */
  readonly errorNo: number | undefined;
  /**
   * Entra requires a proof that an app cannot give, such as another device: a Conditional Access
   * policy refused the sign-in.
   */
  readonly hasClaims: boolean;
  /** Seconds; undefined without the header. */
  readonly retryAfter: number | undefined;

  constructor(status: number, headers: HeaderReader, body: string, cause: unknown) {
    const { error, error_codes: codes, error_description: description, suberror, claims } = jsonObject(body);
    const errorCode = typeof error === 'string' && OAUTH_ERROR.test(error) ? error : '';
    const errorNo = firstNumber(codes) ?? numberIn(description);
    super([status, errorCode, errorNo && `AADSTS${errorNo}`].filter(Boolean).join(' '), { cause });
    this.status = status;
    this.errorCode = errorCode;
    this.errorNo = errorNo;
    this.hasClaims = isText(claims) || (isText(suberror) && CLAIMS_SUBERRORS.has(suberror));
    this.retryAfter = secondsOf(headers.get('retry-after'));
  }
}

interface HeaderReader {
  get(name: string): string | undefined | null;
}

const OAUTH_ERROR = /^[a-z][a-z0-9_]{0,63}$/;
/**
 * Suberrors of Conditional Access:
 * https://learn.microsoft.com/entra/identity-platform/reference-error-codes#suberrors
 */
const CLAIMS_SUBERRORS: ReadonlySet<string> = new Set(['message_only', 'basic_action', 'additional_action']);

const isText = (value: unknown): value is string => typeof value === 'string' && value !== '';

function jsonObject(text: string): Readonly<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null ? { ...value } : {};
  } catch {
    return {}; // Entra's 429 is plain text
  }
}

function firstNumber(codes: unknown): number | undefined {
  const [first] = Array.isArray(codes) ? codes : [];
  return Number.isSafeInteger(first) && first > 0 ? first : undefined;
}

function numberIn(description: unknown): number | undefined {
  const digits = isText(description) ? /AADSTS(\d{1,12})/.exec(description)?.[1] : undefined;
  return digits === undefined ? undefined : Number(digits);
}

function secondsOf(header: string | undefined | null): number | undefined {
  return header && /^\d{1,9}$/.test(header) ? Number(header) : undefined;
}
