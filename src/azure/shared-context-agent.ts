import { Agent, type RequestOptions } from 'node:https';
import type { Duplex } from 'node:stream';
import { type ConnectionOptions, createSecureContext, getCACertificates, type SecureContext } from 'node:tls';

/**
 * Connections that share one TLS context. Node makes one for each: 1 ms of the main thread and
 * 20 KiB, mostly for the trusted certificates.
 */
export class SharedContextAgent extends Agent {
  #trusted: readonly string[] | undefined;
  #context: SecureContext | undefined;

  override createConnection(
    options: RequestOptions,
    callback?: (error: Error | null, stream: Duplex) => void,
  ): Duplex | null | undefined {
    const shared: RequestOptions & Pick<ConnectionOptions, 'secureContext'> = {
      ...options,
      secureContext: this.#contextNow(),
    };
    return super.createConnection(shared, callback);
  }

  /** A command trusts the emulator's certificate only after it has read its configuration. */
  #contextNow(): SecureContext {
    const trusted = getCACertificates('default'); // the same array until that changes
    if (this.#context === undefined || this.#trusted !== trusted) {
      this.#trusted = trusted;
      this.#context = createSecureContext();
    }
    return this.#context;
  }
}
