import { kindOf } from './kind-of.ts';

/** An access token with its end, as @azure/identity returns it. */
export interface AccessToken {
  readonly token: string;
  readonly expiresOnTimestamp: number;
}

/** A credential of @azure/identity, with the scope of the service (`api://…/.default`). */
export interface CredentialToken {
  readonly credential: { getToken(scopes: string | string[]): Promise<AccessToken | null> };
  readonly scope: string;
}

/**
 * The caller's token: a fixed one, a function that returns the current one, or a credential. A function that returns
 * text is asked before every request and keeps its own cache; an `AccessToken` is kept until two minutes before its end.
 */
export type TokenSource =
  | string
  | (() => string | AccessToken | Promise<string | AccessToken>)
  | CredentialToken;

export interface Tokens {
  get(): Promise<string>;
  /** Drops a token that the service refused. Returns whether asking again can give another. */
  refused(token: string): boolean;
}

const AHEAD_MS = 120_000;

/** Returns the tokens of a source: concurrent requests wait for one call of it. */
export function tokensOf(source: TokenSource): Tokens {
  if (typeof source === 'string') {
    const fixed = inHeader(source);
    return { get: async () => fixed, refused: () => false };
  }
  const ask = typeof source === 'function' ? source : fromCredential(source);
  let kept: AccessToken | undefined;
  let asking: Promise<string> | undefined;
  const renew = async () => {
    const answer = await ask();
    if (typeof answer === 'string') return inHeader(answer);
    if (typeof answer?.token !== 'string') throw new TypeError(`The token function gave ${kindOf(answer)}: give a string or an AccessToken`);
    kept = { ...answer, token: inHeader(answer.token) };
    return kept.token;
  };
  return {
    get: async () => {
      if (kept !== undefined && kept.expiresOnTimestamp - Date.now() > AHEAD_MS) return kept.token;
      asking ??= renew().finally(() => {
        asking = undefined;
      });
      return asking;
    },
    refused: (token) => {
      if (kept?.token === token) kept = undefined;
      return true;
    },
  };
}

/**
 * Returns a token without the line's end that files have.
 * @throws TypeError for one that no header can hold: fetch would do it too, with the token in its message
 */
function inHeader(token: string): string {
  const trimmed = token.trim();
  if (!/^[\x21-\x7e]+$/.test(trimmed)) throw new TypeError('The token is empty or has characters that no token has');
  return trimmed;
}

/** @throws TypeError for what gives no token, such as a variable of the environment that is not set */
function fromCredential(source: CredentialToken): () => Promise<AccessToken> {
  if (typeof source?.credential?.getToken !== 'function' || typeof source.scope !== 'string') {
    throw new TypeError(`token is ${kindOf(source)}: give a string, a function, or { credential, scope }`);
  }
  const { credential, scope } = source;
  return async () => {
    const token = await credential.getToken(scope);
    if (token === null) throw new TypeError(`The credential gave no token for ${scope}`);
    return token;
  };
}
