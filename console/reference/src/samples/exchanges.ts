import type { Contract, Operation } from '../contract.ts';
import type { Exchange, Given } from './preparations.ts';
import { exampleInputs, type Inputs, requestOf, type ServiceRequest } from './request.ts';

export interface ExchangesDeps {
  readonly contract: Contract;
  readonly operations: readonly Operation[];
  /** Sends a request with the caller's token. */
  readonly call: (request: ServiceRequest) => Promise<Response>;
}

/** The exchanges of one tab: what other operations need is taken from them. */
export interface Exchanges extends Given {
  /** Remembers a call that succeeded. */
  keep(id: string, exchange: Exchange): void;
}

export function createExchanges({ contract, operations, call }: ExchangesDeps): Exchanges {
  const kept = new Map<string, Exchange>();
  return {
    contract,
    last: (id) => kept.get(id),
    keep: (id, exchange) => kept.set(id, exchange),
    async send(id, change) {
      const operation = operations.find((one) => one.id === id);
      if (!operation) throw new Error(`The contract has no operation ${id}`);
      const sent = changed(exampleInputs(operation), change);
      const response = await call(requestOf(operation, sent));
      if (!response.ok) throw new Error(`${id} answered ${response.status}: ${await response.text()}`);
      return { sent, headers: response.headers, content: new Uint8Array(await response.arrayBuffer()) };
    },
  };
}

const changed = (inputs: Inputs, { parameters, ...others }: Partial<Inputs> = {}): Inputs => ({
  ...inputs,
  ...others,
  parameters: { ...inputs.parameters, ...parameters },
});
