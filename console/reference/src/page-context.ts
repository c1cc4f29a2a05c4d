import { createContext, useContext } from 'react';
import type { Contract, Operation } from './contract.ts';
import type { Exchanges } from './samples/exchanges.ts';
import type { Inputs, ServiceRequest } from './samples/request.ts';
import type { Language } from './samples/samples.ts';
import type { TokenSource } from './token/token-source.ts';

export interface PageContext {
  readonly contract: Contract;
  readonly operations: readonly Operation[];
  /** The address of the service, with a slash at its end. */
  readonly base: string;
  readonly token: TokenSource;
  readonly exchanges: Exchanges;
  readonly call: (request: ServiceRequest, signal?: AbortSignal) => Promise<Response>;
  /** What was entered for each operation, which stays while one looks at others. */
  readonly drafts: Map<string, Inputs>;
  readonly language: Language;
  readonly onLanguage: (language: Language) => void;
  readonly onAskToken: () => void;
}

export const Page = createContext<PageContext | undefined>(undefined);

export function usePage(): PageContext {
  const page = useContext(Page);
  if (!page) throw new Error('This part needs the page around it.');
  return page;
}
