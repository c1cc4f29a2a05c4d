import { useEffect, useState } from 'react';
import type { Settings } from '../../../src/app/settings.ts';
import type { Session } from '../../../src/app/sign-in.ts';
import { loadSignIn } from './settings.ts';
import { NO_TOKEN, pastedToken, type TokenSource } from './token-source.ts';

export interface TokenState {
  readonly source: TokenSource;
  /** Signs in in a window of its own. Rejects if that did not succeed. Absent if the console is off. */
  readonly signIn: (() => Promise<void>) | undefined;
  /** Why the last sign-in did not succeed. */
  readonly failure: string | undefined;
  readonly paste: (token: string) => void;
  /** Drops the token, and ends the sign-in of this tab. */
  readonly drop: () => Promise<void>;
}

/** Returns the token of this tab: a pasted one, or the one of a person signed in to the console. */
export function useToken(base: string): TokenState {
  const [pasted, setPasted] = useState(NO_TOKEN);
  const [settings, setSettings] = useState<Settings | undefined>(undefined);
  const [session, setSession] = useState<Session | undefined>(undefined);
  useEffect(() => {
    const load = async (): Promise<void> => {
      const found = await loadSignIn(base);
      setSettings(found);
      if (found && hasSignedIn()) setSession(await openSession(found));
    };
    load().catch(() => undefined); // then tokens are pasted
  }, [base]);
  const source: TokenSource = session?.person ? { name: session.person.name, get: session.token } : NO_TOKEN;
  const signIn = async (found: Settings): Promise<void> => {
    const opened = session ?? (await openSession(found));
    const person = await opened.signInBeside();
    setPasted(NO_TOKEN);
    setSession({ ...opened, person });
  };
  return {
    source: pasted.name === undefined ? source : pasted,
    signIn: settings && (() => signIn(settings)),
    failure: session?.failure,
    paste: (token) => setPasted(pastedToken(token)),
    drop: async () => {
      setPasted(NO_TOKEN);
      if (pasted.name === undefined) await session?.signOut();
    },
  };
}

/** Returns whether this tab has begun or finished a sign-in, so that its library is worth loading. */
const hasSignedIn = (): boolean => Object.keys(sessionStorage).some((name) => name.startsWith('msal.'));

async function openSession(settings: Settings): Promise<Session> {
  const { startSignIn } = await import('../../../src/app/sign-in.ts');
  return startSignIn(settings);
}
