import { randomBytes, randomInt } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { Connection, type Reply } from './connection.ts';
import type { Group } from './groups.ts';

/** One answer, as its caller saw it. */
export interface Answer {
  readonly group: string;
  readonly operation: string;
  /** Time of sending and duration, in milliseconds. */
  readonly at: number;
  readonly ms: number;
  /**
   * `ok`, the published code, the system's error without an answer, or a text for a forbidden
   * answer.
   */
  readonly code: string;
  readonly requestId: string;
  /** Whether it had a Retry-After. */
  readonly hasRetryAfter: boolean;
}

/** A message with a known plaintext. */
interface Kept {
  readonly ciphertext: string;
  readonly plaintext: string;
}

export const OK = 'ok';
export const WRONG_PLAINTEXT = 'WRONG PLAINTEXT';
/** Every failure of the service must have the form of a problem. */
export const NO_PROBLEM = 'NO PROBLEM OF RFC 9457';

const MAX_KEPT = 40;
const BATCH = 5;
const MAX_BYTES = 2_048;
const STREAM_BYTES = 200_000;

interface Item extends Partial<Kept> {
  readonly error?: { readonly code: string; readonly retryAfter?: number };
}

type Body = Partial<Kept> & { readonly code?: string; readonly items?: readonly Item[] };

/** One caller of a group: encrypts, decrypts, compares; one call at a time on one connection. */
export class Caller {
  readonly #group: Group;
  readonly #urlOf: () => string;
  readonly #onAnswer: (answer: Answer) => void;
  readonly #connection: Connection;
  readonly #kept: Kept[] = [];
  #seen = 0;

  constructor(group: Group, urlOf: () => string, token: string, onAnswer: (answer: Answer) => void) {
    this.#group = group;
    this.#urlOf = urlOf;
    this.#onAnswer = onAnswer;
    this.#connection = new Connection(token);
  }

  async run(signal: AbortSignal): Promise<void> {
    await sleep(randomInt(this.#group.pauseMs)); // otherwise all would start at once
    for (let n = 0; !signal.aborted; n += 1) await this.#round(n);
  }

  /** Opens sealed messages: each must open, whatever has happened since. */
  async reopen(): Promise<void> {
    for (const kept of this.#kept) await this.#open(kept);
  }

  close(): void {
    this.#connection.close();
  }

  #round(n: number): Promise<void> {
    const { mix } = this.#group;
    switch (mix[n % mix.length] ?? 'message') {
      case 'batch':
        return this.#batch();
      case 'data key':
        return this.#dataKey();
      case 'rewrap':
        return this.#rewrap();
      case 'stream':
        return this.#stream();
      case 'message':
        return this.#message();
    }
  }

  async #message(): Promise<void> {
    const plaintext = somePlaintext();
    const { ciphertext } = await this.#call('encrypt', { plaintext });
    if (ciphertext === undefined) return;
    this.#keep({ ciphertext, plaintext });
    await this.#open({ ciphertext, plaintext });
  }

  async #open({ ciphertext, plaintext }: Kept): Promise<void> {
    await this.#call('decrypt', { ciphertext }, (body) => body.plaintext === plaintext);
  }

  async #batch(): Promise<void> {
    const items = Array.from({ length: BATCH }, () => ({ plaintext: somePlaintext() }));
    const sealed = await this.#call('batch/encrypt', { items });
    const ciphertexts = sealed.items?.flatMap(({ ciphertext }) => ciphertext ?? []) ?? [];
    if (ciphertexts.length < BATCH) return;
    await this.#call(
      'batch/decrypt',
      { items: ciphertexts.map((ciphertext) => ({ ciphertext })) },
      (body) => body.items?.every((item, at) => item.error || item.plaintext === items[at]?.plaintext) ?? false,
    );
  }

  async #dataKey(): Promise<void> {
    const { plaintext, ciphertext } = await this.#call('data-keys', {});
    if (plaintext !== undefined && ciphertext !== undefined) await this.#open({ ciphertext, plaintext });
  }

  async #rewrap(): Promise<void> {
    const old = this.#kept[randomInt(Math.max(1, this.#kept.length))];
    if (!old) return this.#message();
    const { ciphertext } = await this.#call('rewrap', { ciphertext: old.ciphertext });
    if (ciphertext !== undefined) await this.#open({ ciphertext, plaintext: old.plaintext });
  }

  async #stream(): Promise<void> {
    const plaintext = randomBytes(STREAM_BYTES);
    const sealed = await this.#send('streams/encrypt', 'application/octet-stream', plaintext);
    if (!sealed) return;
    await this.#send('streams/decrypt', 'application/octet-stream', sealed, (opened) => opened.equals(plaintext));
  }

  async #call(operation: string, body: object, isRight: (answer: Body) => boolean = () => true): Promise<Body> {
    const bytes = await this.#send(operation, 'application/json', JSON.stringify(body), (answer) =>
      isRight(JSON.parse(answer.toString()) as Body),
    );
    return bytes ? (JSON.parse(bytes.toString()) as Body) : {};
  }

  /** Returns the body of a success; every answer is recorded. */
  async #send(
    operation: string,
    contentType: string,
    body: string | Buffer,
    isRight: (answer: Buffer) => boolean = () => true,
  ): Promise<Buffer | undefined> {
    const at = performance.now();
    const { tenant, name, pauseMs } = this.#group;
    const reply = await this.#connection.post(`${this.#urlOf()}/tenants/${tenant}/${operation}`, contentType, body);
    const ms = performance.now() - at;
    const { code, hasRetryAfter } = outcomeOf(reply, contentType === 'application/json', isRight);
    this.#onAnswer({ group: name, operation, at, ms, code, requestId: reply.requestId, hasRetryAfter });
    await sleep(pauseMs * (0.5 + Math.random()));
    return reply.status === 200 ? reply.bytes : undefined;
  }

  /** Keeps a sample of all messages, early and late ones with the same probability. */
  #keep(kept: Kept): void {
    this.#seen += 1;
    if (this.#kept.length < MAX_KEPT) this.#kept.push(kept);
    else if (randomInt(this.#seen) < MAX_KEPT) this.#kept[randomInt(MAX_KEPT)] = kept;
  }
}

const somePlaintext = (): string => randomBytes(1 + randomInt(MAX_BYTES)).toString('base64');

type Outcome = Pick<Answer, 'code' | 'hasRetryAfter'>;

function outcomeOf(reply: Reply, isJson: boolean, isRight: (answer: Buffer) => boolean): Outcome {
  const { status, failure, retryAfter, bytes } = reply;
  if (failure !== undefined) return { code: failure, hasRetryAfter: false };
  try {
    if (status !== 200) {
      const { code = NO_PROBLEM } = JSON.parse(bytes.toString()) as Body;
      return { code, hasRetryAfter: retryAfter !== undefined };
    }
    if (!isRight(bytes)) return { code: WRONG_PLAINTEXT, hasRetryAfter: false };
    const { items } = isJson ? (JSON.parse(bytes.toString()) as Body) : {};
    const failed = items?.find(({ error }) => error)?.error;
    return failed ? { code: failed.code, hasRetryAfter: failed.retryAfter !== undefined } : OK_OUTCOME;
  } catch {
    return { code: NO_PROBLEM, hasRetryAfter: false };
  }
}

const OK_OUTCOME: Outcome = { code: OK, hasRetryAfter: false };
