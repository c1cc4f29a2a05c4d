import { createContext, useContext } from 'react';
import type { Api } from '../api/api.ts';
import type { Roles } from './roles.ts';

export interface ConsoleContext {
  readonly api: Api;
  readonly roles: Roles;
}

export const Console = createContext<ConsoleContext | undefined>(undefined);

function useConsole(): ConsoleContext {
  const context = useContext(Console);
  if (!context) throw new Error('This part of the page needs a signed-in person.');
  return context;
}

export const useApi = (): Api => useConsole().api;
