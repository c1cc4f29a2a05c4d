import { createContext, useContext } from 'react';
import type { Api } from '../api/api.ts';
import type { Role, Roles } from './roles.ts';

export interface ConsoleContext {
  readonly api: Api;
  readonly roles: Roles;
}

export const Console = createContext<ConsoleContext | undefined>(undefined);

export function useConsole(): ConsoleContext {
  const context = useContext(Console);
  if (!context) throw new Error('This part of the page needs a signed-in person.');
  return context;
}

export const useApi = (): Api => useConsole().api;

/** Returns whether the person has the role. What is hidden without it would be refused anyway. */
export const useRole = (role: Role): boolean => useConsole().roles.has(role);
