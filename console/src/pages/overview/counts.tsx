import type { ReactNode } from 'react';
import { Link, useSearchParams } from 'react-router';
import type { Overview } from '../../api/types.ts';
import { Badge } from '../../parts/badge.tsx';

const TILES = [
  { state: undefined, count: 'total', title: 'All tenants' },
  { state: 'active', count: 'active', title: 'Active' },
  { state: 'failing', count: 'failing', title: 'Failing' },
  { state: 'unchecked', count: 'unchecked', title: 'Not checked yet' },
  { state: 'suspended', count: 'suspended', title: 'Suspended' },
] as const;

/** Tenants by state, each a link that narrows the list, and where the failing ones fail. */
export function Counts({ overview }: { overview: Overview }): ReactNode {
  const [params] = useSearchParams();
  const current = params.get('state') ?? undefined;
  return (
    <>
      <nav aria-label="Tenants by state" className="tiles">
        {TILES.map(({ state, count, title }) => (
          <Link
            key={title}
            to={state === undefined ? '/' : `/?state=${state}`}
            className={state === 'failing' && overview.tenants.failing > 0 ? 'tile bad' : 'tile'}
            aria-current={state === current ? 'true' : undefined}
          >
            <span className="count">{overview.tenants[count].toLocaleString()}</span> {title}
          </Link>
        ))}
      </nav>
      {overview.failures.length > 0 && (
        <p className="row middle" role="note">
          <span>Failed at</span>
          {overview.failures.map(({ step, state, count }) => (
            <Badge key={`${step} ${state}`} mood="bad">
              {step}: {state} ({count.toLocaleString()})
            </Badge>
          ))}
        </p>
      )}
    </>
  );
}
