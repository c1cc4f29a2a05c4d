import type { Reply } from '../reply.ts';

/** A refusal in Key Vault's form: a code, and often a narrower one in `innererror`. */
export class VaultRefusal extends Error {
  override readonly name = 'VaultRefusal';
  readonly status: number;
  readonly code: string;
  readonly inner: string | undefined;
  readonly headers: Readonly<Record<string, string>>;
  readonly isBodiless: boolean;
  constructor(
    status: number,
    code: string,
    message: string,
    options: {
      readonly inner?: string;
      readonly headers?: Readonly<Record<string, string>>;
      /** A Managed HSM's challenge has only headers. */
      readonly isBodiless?: boolean;
    } = {},
  ) {
    super(message);
    this.status = status;
    this.code = code;
    this.inner = options.inner;
    this.headers = options.headers ?? {};
    this.isBodiless = options.isBodiless ?? false;
  }
}

export const vaultErrorReply = ({ status, code, message, inner, headers, isBodiless }: VaultRefusal): Reply => ({
  status,
  headers,
  ...(!isBodiless && {
    body: { error: { code, message, ...(inner !== undefined && { innererror: { code: inner } }) } },
  }),
});

export const badParameter = (message: string): VaultRefusal => new VaultRefusal(400, 'BadParameter', message);

export const forbidden = (inner: string, message: string): VaultRefusal =>
  new VaultRefusal(403, 'Forbidden', message, { inner });
