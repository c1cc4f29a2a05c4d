import { useMutation, useQueryClient } from '@tanstack/react-query';
import type { ReactNode } from 'react';
import { type Person, type Session, WindowBlocked } from './sign-in.ts';
import { SignInExpired } from './sign-in-expired.ts';

interface ExpiredBannerProps {
  readonly session: Session;
  readonly onSignedIn: (person: Person) => void;
}

/**
 * Says above every page that the sign-in has expired, and signs in again without leaving the page:
 * forms keep what was typed. What failed to load is loaded; a change is sent by its button alone.
 */
export function ExpiredBanner({ session, onSignedIn }: ExpiredBannerProps): ReactNode {
  const client = useQueryClient();
  const again = useMutation({
    mutationFn: session.signInBeside,
    onSuccess: async (person) => {
      onSignedIn(person);
      await client.refetchQueries({ predicate: ({ state }) => state.error instanceof SignInExpired });
    },
  });
  return (
    <div role="status" className="banners">
      <div className="banner">
        <p>
          Your sign-in has expired. Nothing that you typed is lost: signing in opens a window of its own.{' '}
          <button type="button" onClick={() => again.mutate()}>
            Sign in again
          </button>
        </p>
        {again.error instanceof WindowBlocked && (
          <p>
            Your browser opened no window. Allow windows of this site and press the button again, or{' '}
            <button type="button" onClick={() => void session.signIn()}>
              sign in on this page
            </button>
            . What you typed is lost then.
          </p>
        )}
        {again.error && !(again.error instanceof WindowBlocked) && (
          <p className="break">The sign-in did not succeed: {again.error.message}</p>
        )}
      </div>
    </div>
  );
}
