import type { ReactNode } from 'react';

/** Names and values; a value that is undefined is left out with its name. */
export const Facts = ({ facts }: { facts: readonly (readonly [string, ReactNode])[] }): ReactNode => (
  <dl className="facts">
    {facts.map(([name, value]) =>
      value === undefined ? null : (
        <div key={name}>
          <dt>{name}</dt>
          <dd className="break">{value}</dd>
        </div>
      ),
    )}
  </dl>
);
