import { Agent, request } from 'node:http';
import { text } from 'node:stream/consumers';

interface Answer {
  readonly outcome: string;
  readonly requestId: string;
}

/** So many that the kernel, which draws a process for each connection, does not give all to one. */
export const CLIENTS = 16;

/** Clients that send one encrypt after the other over kept connections. */
export class KeptClients {
  readonly #port: number;
  readonly #token: string;
  readonly #agent = new Agent({ keepAlive: true, maxSockets: CLIENTS });
  #isOver: boolean = false;
  /** Answers by status, and failures by code. */
  readonly outcomes = new Map<string, number>();
  /** The ids of the requests that were answered with 200. */
  readonly acknowledged: string[] = [];
  readonly #clients: Promise<void>[];

  constructor(port: number, token: string) {
    this.#port = port;
    this.#token = token;
    this.#clients = Array.from({ length: CLIENTS }, () => this.#client());
  }

  get failures(): number {
    return [...this.outcomes].reduce((sum, [outcome, count]) => (outcome === '200' ? sum : sum + count), 0);
  }

  get answers(): number {
    return this.outcomes.get('200') ?? 0;
  }

  async stop(): Promise<void> {
    this.#isOver = true;
    await Promise.all(this.#clients);
    this.#agent.destroy();
  }

  async #client(): Promise<void> {
    while (!this.#isOver) {
      const failed = (error: Error & { code?: string }) => ({ outcome: error.code ?? error.name, requestId: '' });
      const { outcome, requestId } = await this.#send().catch(failed);
      this.outcomes.set(outcome, (this.outcomes.get(outcome) ?? 0) + 1);
      if (outcome === '200') this.acknowledged.push(requestId);
    }
  }

  #send(): Promise<Answer> {
    const headers = { Authorization: `Bearer ${this.#token}`, 'Content-Type': 'application/json' };
    const options = { port: this.#port, path: '/tenants/contoso/encrypt', method: 'POST', headers, agent: this.#agent };
    return new Promise((resolve, reject) => {
      request(options, (res) => {
        const requestId = String(res.headers['x-request-id']);
        text(res).then(() => resolve({ outcome: String(res.statusCode), requestId }), reject);
      })
        .on('error', reject)
        .end('{"plaintext":"aGk="}');
    });
  }
}
