import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { type ReactNode, useState } from 'react';
import { Link, Route, Routes, useNavigate, useParams } from 'react-router';
import { segment, tenantPath } from '../../api/paths.ts';
import type { Drill } from '../../api/types.ts';
import { useApi, useRole } from '../../app/context.ts';
import { Failure } from '../../parts/failure.tsx';
import { Field } from '../../parts/field.tsx';
import { Loading } from '../../parts/loading.tsx';
import { stepWords } from '../../text/drill-words.ts';
import { DrillList } from './drill-list.tsx';
import { DrillReport } from './drill-report.tsx';
import type { SectionProps } from './tenant-page.tsx';

const POLL_MS = 1_000;
const DEFAULT_SECONDS = '3600';

export default function DrillSection({ tenant }: SectionProps): ReactNode {
  const mayManage = useRole('Tenants.Manage');
  return (
    <>
      <h2>Drill of a revocation</h2>
      <p>
        The customer revokes access and restores it. Meanwhile every process decrypts a sample each second, with the
        keys in memory and with a new sign-in, and reports what it saw. The report is signed.
      </p>
      {mayManage && <StartDrill tenant={tenant} />}
      <Routes>
        <Route path=":drillId" element={<FollowDrill tenant={tenant} />} />
        <Route index element={<DrillList tenant={tenant} />} />
      </Routes>
    </>
  );
}

function StartDrill({ tenant }: SectionProps): ReactNode {
  const api = useApi();
  const navigate = useNavigate();
  const [maxSeconds, setMaxSeconds] = useState(DEFAULT_SECONDS);
  const start = useMutation({
    mutationFn: () =>
      api.json<Drill>(tenantPath(tenant.id, '/drills'), { method: 'POST', body: { maxSeconds: Number(maxSeconds) } }),
    onSuccess: ({ report }) => navigate(`/tenants/${encodeURIComponent(tenant.id)}/drill/${report.drillId}`),
  });
  return (
    <form
      onSubmit={(event) => {
        event.preventDefault();
        start.mutate();
      }}
    >
      <div className="row">
        <Field label="Longest time, in seconds">
          {(ids) => (
            <input
              {...ids}
              type="number"
              min={10}
              max={7200}
              required
              value={maxSeconds}
              onChange={({ target }) => setMaxSeconds(target.value)}
            />
          )}
        </Field>
        <button type="submit" className="primary" disabled={start.isPending}>
          Start a drill
        </button>
      </div>
      {start.error && <Failure error={start.error} />}
    </form>
  );
}

function FollowDrill({ tenant }: SectionProps): ReactNode {
  const { drillId = '' } = useParams();
  const api = useApi();
  const path = tenantPath(tenant.id, `/drills/${segment(drillId)}`);
  const drill = useQuery({
    queryKey: ['drill', tenant.id, drillId],
    queryFn: ({ signal }) => api.json<Drill>(path, { signal }),
    refetchInterval: ({ state }) => (state.data?.step === 'over' ? false : POLL_MS),
  });
  return (
    <>
      <p>
        <Link to={`/tenants/${encodeURIComponent(tenant.id)}/drill`}>All drills</Link>
      </p>
      {drill.isPending && <Loading what="the drill" />}
      {drill.isError && <Failure error={drill.error} onRetry={drill.refetch} />}
      {drill.data && (
        <>
          {drill.data.step !== 'over' && (
            <p className="banner" role="status">
              {stepWords(drill.data.step)}
            </p>
          )}
          {drill.data.step !== 'over' && <CancelDrill path={path} />}
          <DrillReport drill={drill.data} />
        </>
      )}
    </>
  );
}

function CancelDrill({ path }: { path: string }): ReactNode {
  const api = useApi();
  const client = useQueryClient();
  const mayManage = useRole('Tenants.Manage');
  const cancel = useMutation({
    mutationFn: () => api.json<void>(path, { method: 'DELETE' }),
    onSuccess: () => client.invalidateQueries({ queryKey: ['drill'] }),
  });
  if (!mayManage) return null;
  return (
    <>
      <p>
        <button type="button" disabled={cancel.isPending} onClick={() => cancel.mutate()}>
          Cancel the drill
        </button>
      </p>
      {cancel.error && <Failure error={cancel.error} />}
    </>
  );
}
