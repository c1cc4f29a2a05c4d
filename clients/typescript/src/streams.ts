import type { Access } from './access.ts';
import { base64UrlOf } from './bytes.ts';
import { contextMember, type EncryptionContext } from './context.ts';
import { unwatchAbort, watchAbort } from './deadline.ts';
import { VaultspanError } from './errors.ts';
import { type Transport, unreachable } from './transport.ts';

/** The two ends of a stream through the service, as `pipeThrough` takes them. */
export interface BytePair {
  readonly readable: ReadableStream<Uint8Array>;
  readonly writable: WritableStream<Uint8Array>;
}

export interface StreamCall {
  readonly operation: 'encrypt' | 'decrypt';
  readonly tenantId: string;
  readonly context?: EncryptionContext | undefined;
  readonly key?: string | undefined;
  readonly access?: Access | undefined;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Returns a pair of streams: what is written is sent to the service while its answer is read, in constant memory. The
 * readable fails where the service refuses or the answer breaks off, so whoever reads to the end has the whole.
 */
export function throughService(transport: Transport, call: StreamCall): BytePair {
  const up = new TransformStream<Uint8Array, Uint8Array>();
  const down = new TransformStream<Uint8Array, Uint8Array>();
  void carry(transport, call, up.readable, down.writable);
  return { readable: down.readable, writable: up.writable };
}

async function carry(
  transport: Transport,
  { operation, tenantId, context, key, access, signal }: StreamCall,
  body: ReadableStream<Uint8Array>,
  down: WritableStream<Uint8Array>,
): Promise<void> {
  const controller = new AbortController();
  const onAbort = () => controller.abort(signal?.reason);
  if (signal?.aborted) onAbort();
  else if (signal !== undefined) watchAbort(signal, onAbort);
  try {
    const answer = await transport.stream({
      tenantId,
      path: `streams/${operation}${key === undefined ? '' : `?key=${encodeURIComponent(key)}`}`,
      body,
      access,
      headers: contextHeader(context),
      signal: controller.signal,
    });
    if (answer.body === null) throw unreachable(new Error('the answer has no body'));
    await answer.body.pipeTo(down, { preventAbort: true, signal: controller.signal });
  } catch (error) {
    const failure = error instanceof VaultspanError || controller.signal.aborted ? error : unreachable(error);
    // Ends the upload too: whoever writes learns of it at the next write.
    controller.abort(failure);
    await Promise.allSettled([down.abort(failure), body.locked ? undefined : body.cancel(failure)]);
  } finally {
    if (signal !== undefined) unwatchAbort(signal, onAbort);
  }
}

/** The context travels as base64url of its JSON. */
function contextHeader(context: EncryptionContext | undefined): Record<string, string> {
  const { encryptionContext } = contextMember(context);
  if (encryptionContext === undefined) return {};
  return { 'Encryption-Context': base64UrlOf(new TextEncoder().encode(JSON.stringify(encryptionContext))) };
}
