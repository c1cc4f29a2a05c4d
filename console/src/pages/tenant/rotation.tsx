import { useQueryClient } from '@tanstack/react-query';
import { type ReactNode, useState } from 'react';
import { tenantPath } from '../../api/paths.ts';
import type { RewrapBranchKeysResult, Tenant } from '../../api/types.ts';
import { useApi } from '../../app/context.ts';
import { ConfirmDialog } from '../../parts/confirm-dialog.tsx';
import { Failure } from '../../parts/failure.tsx';
import { Field } from '../../parts/field.tsx';
import { KeyName } from '../../parts/key-name.tsx';
import { Notice } from '../../parts/notice.tsx';
import { useRepeatedCall } from '../../parts/use-repeated-call.ts';
import { refreshTenant } from './use-tenant.ts';

const NEWEST = '';

/** Moves branch and index keys, call by call until all are moved. Stopping in between loses nothing. */
export function Rotation({ tenant }: { tenant: Tenant }): ReactNode {
  const api = useApi();
  const client = useQueryClient();
  const [isAsking, setAsking] = useState(false);
  const [target, setTarget] = useState(NEWEST);
  const rotation = useRepeatedCall({
    call: (signal) =>
      api.json<RewrapBranchKeysResult>(tenantPath(tenant.id, '/branch-keys/rewrap'), {
        method: 'POST',
        body: target === NEWEST ? {} : { to: { key: target } },
        signal,
      }),
    isOver: ({ isComplete }) => isComplete,
    pauseMs: 0,
    onEnd: () => refreshTenant(client, tenant.id),
  });
  const total = (tenant.branchKeys ?? []).reduce((sum, { keys }) => sum + keys, 0);
  const aliases = Object.entries(tenant.keys).filter(([, { use }]) => use === 'data');
  return (
    <section aria-label="Rotation">
      <h3>Rotation</h3>
      <p>
        After the customer made a new version, the service moves the keys by itself within its rounds. This does it now.
        Stored data does not change.
      </p>
      <div className="row">
        <Field label="Move to">
          {(ids) => (
            <select
              {...ids}
              value={target}
              disabled={rotation.isRunning}
              onChange={(event) => setTarget(event.target.value)}
            >
              <option value={NEWEST}>the newest version of each key</option>
              {aliases.map(([alias]) => (
                <option key={alias} value={alias}>
                  the key {alias}
                </option>
              ))}
            </select>
          )}
        </Field>
        <button type="button" disabled={rotation.isRunning} onClick={() => setAsking(true)}>
          Move the keys…
        </button>
        {rotation.isRunning && (
          <button type="button" onClick={rotation.stop}>
            Stop
          </button>
        )}
      </div>
      {isAsking && (
        <ConfirmDialog
          title="Move branch and index keys"
          action="Move the keys"
          isPending={false}
          error={undefined}
          onConfirm={() => {
            setAsking(false);
            rotation.start();
          }}
          onClose={() => setAsking(false)}
        >
          <p>
            Each of {total.toLocaleString()} keys takes an unwrap and a wrap in the customer's vault.
            {target !== NEWEST && ` Afterwards the key ${target} is needed to open them.`}
          </p>
        </ConfirmDialog>
      )}
      <RotationProgress total={total} isRunning={rotation.isRunning} result={rotation.last} />
      {rotation.error !== undefined && <Failure error={rotation.error} onRetry={rotation.start} />}
    </section>
  );
}

interface RotationProgressProps {
  readonly total: number;
  readonly isRunning: boolean;
  readonly result: RewrapBranchKeysResult | undefined;
}

function RotationProgress({ total, isRunning, result }: RotationProgressProps): ReactNode {
  if (!isRunning && !result) return null;
  const { moved = 0, current = 0, staying = 0, stayingKeys = [], isComplete = false } = result ?? {};
  const done = moved + current;
  return (
    <>
      {isRunning && (
        <p>
          <progress aria-label="Keys at the target" max={Math.max(total, done, 1)} value={done} />{' '}
          {done.toLocaleString()} of {total.toLocaleString()}
        </p>
      )}
      {isComplete && (
        <Notice
          kind={staying > 0 ? 'warning' : 'success'}
          title={`${done.toLocaleString()} keys are at the target, ${staying.toLocaleString()} stay where they are`}
        >
          {stayingKeys.length > 0 && (
            <ul>
              {stayingKeys.map(({ branchId, keyId, code, reason }) => (
                <li key={branchId}>
                  <code>{branchId}</code> at <KeyName keyId={keyId} />: {reason ?? code}
                </li>
              ))}
            </ul>
          )}
        </Notice>
      )}
    </>
  );
}
