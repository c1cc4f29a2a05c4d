import { useQueryClient } from '@tanstack/react-query';
import { type ReactNode, useState } from 'react';
import type { CheckStep, Tenant, TenantCheck } from '../../api/types.ts';
import { useApi, useRole } from '../../app/context.ts';
import { Badge, moodOf } from '../../parts/badge.tsx';
import { Facts } from '../../parts/facts.tsx';
import { Failure, Fix } from '../../parts/failure.tsx';
import { Notice } from '../../parts/notice.tsx';
import { Time } from '../../parts/time.tsx';
import { useRepeatedCall } from '../../parts/use-repeated-call.ts';
import { refreshAfterCheck, runCheck } from './run-check.ts';
import type { SectionProps } from './tenant-page.tsx';

const PAUSE_MS = 5_000;
const LONGEST_WAIT_MS = 15 * 60_000;

export default function CheckSection({ tenant }: SectionProps): ReactNode {
  const mayManage = useRole('Tenants.Manage');
  return (
    <>
      <h2>Check</h2>
      {mayManage ? <LiveCheck tenant={tenant} /> : <p className="quiet">Checking needs the role Tenants.Manage.</p>}
      <h3>Last check of the service</h3>
      <LastCheck tenant={tenant} />
    </>
  );
}

function LastCheck({ tenant: { lastCheck } }: { tenant: Tenant }): ReactNode {
  if (!lastCheck) return <p className="quiet">This tenant has not been checked yet.</p>;
  const { state, step, code, detail, warnings, checkedAt } = lastCheck;
  return (
    <Facts
      facts={[
        [
          'State',
          <Badge key="state" mood={moodOf(state)}>
            {state}
          </Badge>,
        ],
        ['When', <Time key="time" at={checkedAt} />],
        ['Failed step', step],
        ['Code', code],
        ['Detail', detail],
        ['Warnings', warnings?.join('; ')],
      ]}
    />
  );
}

/** Runs the doctor once, or until every step passes, as `vaultspan check --wait` does. */
function LiveCheck({ tenant }: { tenant: Tenant }): ReactNode {
  const api = useApi();
  const client = useQueryClient();
  const [isWaiting, setWaiting] = useState(false);
  const [steps, setSteps] = useState<readonly CheckStep[]>([]);
  const check = useRepeatedCall({
    call: (signal) => {
      setSteps([]);
      return runCheck(api, tenant.id, signal, (step) => setSteps((before) => [...before, step]));
    },
    isOver: ({ state }) => state === 'passed' || !isWaiting,
    pauseMs: PAUSE_MS,
    maxMs: LONGEST_WAIT_MS,
    onEnd: (last) => last && refreshAfterCheck(client, tenant, last),
  });
  return (
    <>
      <div className="row">
        <button type="button" className="primary" disabled={check.isRunning} onClick={check.start}>
          {check.isRunning ? 'Checking…' : 'Check now'}
        </button>
        <label>
          <input
            type="checkbox"
            checked={isWaiting}
            disabled={check.isRunning}
            onChange={({ target }) => setWaiting(target.checked)}
          />{' '}
          repeat until every step passes
        </label>
        {check.isRunning && (
          <button type="button" onClick={check.stop}>
            Stop
          </button>
        )}
      </div>
      {check.error !== undefined && <Failure error={check.error} onRetry={check.start} />}
      <div aria-live="polite">{check.last && <CheckResult check={check.last} isRunning={check.isRunning} />}</div>
      {steps.length > 0 && (
        <ol className="steps" aria-label="Steps of the check" aria-busy={check.isRunning}>
          {steps.map((step) => (
            <Step key={step.name} step={step} />
          ))}
        </ol>
      )}
    </>
  );
}

function CheckResult({ check, isRunning }: { check: TenantCheck; isRunning: boolean }): ReactNode {
  const failed = check.steps.filter(({ state }) => state === 'failed').length;
  return (
    <>
      {check.state === 'passed' ? (
        <Notice kind="success" title="Every step passed" />
      ) : (
        <Notice kind="warning" title={failed === 1 ? 'One step failed' : `${failed} steps failed`}>
          {isRunning && <p>It is checked again every few seconds.</p>}
        </Notice>
      )}
      <p className="quiet">
        Checked <Time at={check.at} />
      </p>
    </>
  );
}

const Step = ({ step }: { step: CheckStep }): ReactNode => (
  <li>
    <p>
      <Badge mood={moodOf(step.state)}>{step.state}</Badge> <strong>{step.name}</strong>{' '}
      {step.durationMs !== undefined && <span className="quiet">{step.durationMs} ms</span>}
    </p>
    {step.detail !== undefined && <p className="break">{step.detail}</p>}
    {step.because !== undefined && <p className="quiet">Skipped, since {step.because} failed.</p>}
    {step.warnings?.map((warning) => (
      <p key={warning} className="break">
        <Badge mood="caution">warning</Badge> {warning}
      </p>
    ))}
    {step.fix && <Fix fix={step.fix} />}
  </li>
);
