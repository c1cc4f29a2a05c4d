import { useQuery } from '@tanstack/react-query';
import type { ReactNode } from 'react';
import { tenantPath } from '../../api/paths.ts';
import type { Onboarding } from '../../api/types.ts';
import { useApi } from '../../app/context.ts';
import { Copyable } from '../../parts/copy-button.tsx';
import { saveFile } from '../../parts/download.ts';
import { Failure, ownerText } from '../../parts/failure.tsx';
import { Loading } from '../../parts/loading.tsx';
import { Links } from './links.tsx';
import { TakeBack } from './take-back.tsx';
import type { SectionProps } from './tenant-page.tsx';

export default function OnboardingSection({ tenant }: SectionProps): ReactNode {
  const api = useApi();
  const onboarding = useQuery({
    queryKey: ['onboarding', tenant.id, tenant.revision],
    queryFn: ({ signal }) => api.json<Onboarding>(tenantPath(tenant.id, '/onboarding'), { signal }),
  });
  return (
    <>
      <h2>Onboarding</h2>
      <Links tenant={tenant} />
      <h3>Steps</h3>
      {onboarding.isPending && <Loading what="the steps" />}
      {onboarding.isError && <Failure error={onboarding.error} onRetry={onboarding.refetch} />}
      {onboarding.data && <Steps onboarding={onboarding.data} />}
    </>
  );
}

const Steps = ({ onboarding }: { onboarding: Onboarding }): ReactNode => (
  <>
    <p>
      The customer takes these steps. The check shows which are done.{' '}
      <button
        type="button"
        onClick={() => saveFile(`onboard-${onboarding.tenantId}.sh`, new Blob([onboarding.script]))}
      >
        Download all steps as a script
      </button>
    </p>
    <ol className="steps">
      {onboarding.steps.map(({ title, owner, explanation, commands, check }) => (
        <li key={title}>
          <h4>{title}</h4>
          <p>
            {ownerText(owner)}. {explanation} Afterwards the step “{check}” of the check passes.
          </p>
          {commands.map((command) => (
            <Copyable key={command} text={command} what={`Command: ${title}`} />
          ))}
        </li>
      ))}
    </ol>
    <TakeBack onboarding={onboarding} />
  </>
);
