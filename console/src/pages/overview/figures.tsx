import type { ReactNode } from 'react';
import type { Overview } from '../../api/types.ts';
import { Notice } from '../../parts/notice.tsx';
import { Time } from '../../parts/time.tsx';

type ProcessFigures = NonNullable<Overview['process']>;

/** What the answering process has counted since its start. */
export const Figures = ({ figures }: { figures: ProcessFigures }): ReactNode => (
  <section aria-labelledby="figures">
    <h2 id="figures">This process</h2>
    <p className="quiet">
      Counted since <Time at={figures.startedAt} /> by the process that answered. The others have their own figures, and
      Prometheus has all.
    </p>
    {figures.degraded.length > 0 && <Notice kind="error" title={`Degraded: ${figures.degraded.join(', ')}`} />}
    {figures.openBreakers.length > 0 && (
      <Notice kind="warning" title="Vaults that are not called for now, since they failed too often">
        <ul>
          {figures.openBreakers.map((host) => (
            <li key={host} className="break">
              {host}
            </li>
          ))}
        </ul>
      </Notice>
    )}
    <div className="columns">
      <CountList
        title="Calls of vaults"
        counts={figures.vaultCalls.map(({ operation, outcome, count }) => ({
          name: `${operation}, ${outcome}`,
          count,
        }))}
      />
      <CountList title="Sign-ins" counts={figures.signIns} />
      <CountList title="Refusals of access by Azure" counts={figures.refusals} />
      <CountList title="Calls of vaults that were not made" counts={figures.rationed} />
      <CountList title="Requests that were refused for the load" counts={figures.shed} />
    </div>
  </section>
);

interface CountListProps {
  readonly title: string;
  readonly counts: readonly { readonly name: string; readonly count: number }[];
}

const CountList = ({ title, counts }: CountListProps): ReactNode => (
  <section aria-label={title}>
    <h3>{title}</h3>
    {counts.length === 0 ? (
      <p className="quiet">none</p>
    ) : (
      <dl className="facts">
        {counts.map(({ name, count }) => (
          <div key={name}>
            <dt>{name}</dt>
            <dd className="number">{count.toLocaleString()}</dd>
          </div>
        ))}
      </dl>
    )}
  </section>
);
