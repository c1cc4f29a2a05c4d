import type { ReactNode } from 'react';
import { ApiError, Unreachable } from '../api/api-error.ts';
import type { Problem, ProblemFix } from '../api/types.ts';
import { SignInExpired } from '../app/sign-in-expired.ts';
import { Copyable } from './copy-button.tsx';
import { Notice } from './notice.tsx';

/** Shows why a call failed, and who can do what about it. */
export function Failure({ error, onRetry }: { error: unknown; onRetry?: () => unknown }): ReactNode {
  if (error instanceof SignInExpired) return null; // the banner says it once for the whole page
  return (
    <Notice kind="error" title={titleOf(error)}>
      {error instanceof ApiError && <ProblemText problem={error.problem} />}
      {onRetry && (
        <p>
          <button type="button" onClick={() => onRetry()}>
            Try again
          </button>
        </p>
      )}
    </Notice>
  );
}

function titleOf(error: unknown): string {
  if (error instanceof ApiError) return error.problem.title;
  if (error instanceof Unreachable) return error.message;
  return error instanceof Error ? error.message : String(error);
}

const ProblemText = ({ problem }: { problem: Problem }): ReactNode => (
  <>
    <p className="break">{problem.detail}</p>
    {problem.errors && (
      <ul>
        {problem.errors.map(({ pointer, detail }) => (
          <li key={`${pointer} ${detail}`} className="break">
            <code>{pointer}</code>: {detail}
          </li>
        ))}
      </ul>
    )}
    {problem.fix && <Fix fix={problem.fix} />}
    {problem.retryAfter !== undefined && <p>It can be tried again in {problem.retryAfter} s.</p>}
    <p className="quiet break">
      Code {problem.code}
      {problem.reason !== undefined && `, ${problem.reason}`}
      {problem.requestId !== '' && `, request ${problem.requestId}`}
    </p>
  </>
);

const OWNERS: Readonly<Record<string, string>> = {
  vendor: 'You, the vendor',
  'customer-admin': "The customer's administrator",
  'resource-owner': 'The owner of the vault',
};

/** Returns the words for the person that the API names. */
export const ownerText = (owner: string): string => OWNERS[owner] ?? owner;

/** Says who fixes it and how, with the command to copy. */
export const Fix = ({ fix }: { fix: ProblemFix }): ReactNode => (
  <div className="fix">
    <p className="break">
      <strong>{ownerText(fix.owner)}</strong> can fix it: {fix.action}
    </p>
    {fix.command !== undefined && <Copyable text={fix.command} what="the command that fixes it" />}
  </div>
);
