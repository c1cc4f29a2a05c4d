import { createDefaultHttpClient, type HttpClient, type PipelineResponse } from '@azure/core-rest-pipeline';
import { SharedContextAgent } from './shared-context-agent.ts';

/**
 * An idle connection is closed after this time. Each customer has a vault of its own: with 10,000
 * of them, connections that stay until Azure closes them would hold more memory than the keys.
 */
const IDLE_MS = 10_000;

/** One pool of connections for all clients of the SDK. */
const connections = createDefaultHttpClient();
const agent = new SharedContextAgent({ keepAlive: true, timeout: IDLE_MS });

export interface BoundedHttpOptions {
  /** Longest time for one request, from its start to the last byte of its answer. */
  readonly timeoutMs: number;
  /** Ends every request, whatever signal the SDK itself passes. */
  readonly signal?: AbortSignal;
  readonly onResponse?: (response: PipelineResponse) => void;
}

/**
 * Returns the SDK's HTTP client with a time limit of its own. @azure/identity ignores `abortSignal`
 * for client credentials and managed identities, so a server that never answers would hold a socket
 * indefinitely. The limit is in the HTTP client and not in a pipeline policy, because
 * ManagedIdentityCredential replaces `additionalPolicies`, and because `request.timeout` ends with
 * the headers.
 */
function boundedHttp({ timeoutMs, signal, onResponse }: BoundedHttpOptions): HttpClient {
  return {
    async sendRequest(request) {
      const limit = new AbortController();
      const timer = setTimeout(() => limit.abort(), timeoutMs);
      const signals = [limit.signal, signal, request.abortSignal as AbortSignal | undefined]; // the SDK's type lacks members
      request.abortSignal = AbortSignal.any(signals.filter((each) => each !== undefined));
      if (request.url.startsWith('https:')) request.agent ??= agent; // a proxy's agent stays
      try {
        const response = await connections.sendRequest(request);
        onResponse?.(response);
        return response;
      } finally {
        clearTimeout(timer);
      }
    },
  };
}

/**
 * Returns the options of every SDK client. None retries: the SDK's own policy sleeps for the whole
 * Retry-After, past any deadline.
 */
export const sdkClientOptions = (limits: BoundedHttpOptions) =>
  ({ httpClient: boundedHttp(limits), retryOptions: { maxRetries: 0 } }) as const;

/**
 * Returns the options of the SDK's clients of Key Vault. An emulated vault's address is not part of
 * its challenge's resource.
 */
export const vaultClientOptions = ({ unsafeAllowEmulator, deadlineMs }: VaultAccess) => ({
  disableChallengeResourceVerification: unsafeAllowEmulator,
  ...sdkClientOptions({ timeoutMs: deadlineMs }),
});

export interface VaultAccess {
  readonly unsafeAllowEmulator: boolean;
  readonly deadlineMs: number;
}
