import { useQuery } from '@tanstack/react-query';
import type { ReactNode } from 'react';
import { tenantPath } from '../../api/paths.ts';
import { useApi } from '../../app/context.ts';
import { Copyable } from '../../parts/copy-button.tsx';
import { saveFile } from '../../parts/download.ts';
import { Facts } from '../../parts/facts.tsx';
import { Failure } from '../../parts/failure.tsx';
import { Loading } from '../../parts/loading.tsx';
import { Time } from '../../parts/time.tsx';
import { checkpointOf } from '../../text/checkpoint.ts';
import { Proofs } from './proofs.tsx';
import type { SectionProps } from './tenant-page.tsx';

/** The last signed checkpoint of the tenant's transparency log, which the customer keeps. */
export default function ReceiptsSection({ tenant }: SectionProps): ReactNode {
  const api = useApi();
  const checkpoint = useQuery({
    queryKey: ['checkpoint', tenant.id],
    queryFn: async ({ signal }) => {
      const response = await api.raw(tenantPath(tenant.id, '/log/checkpoint'), { signal, accept: 'text/plain' });
      return response.text();
    },
  });
  return (
    <>
      <h2>Receipts</h2>
      <p>
        Each record of this tenant is an entry of a transparency log. Whoever keeps a checkpoint can later prove that
        the log only grew.
      </p>
      {checkpoint.isPending && <Loading what="the checkpoint" />}
      {checkpoint.isError && <Failure error={checkpoint.error} onRetry={checkpoint.refetch} />}
      {checkpoint.data !== undefined && <Checkpoint tenantId={tenant.id} text={checkpoint.data} />}
    </>
  );
}

function Checkpoint({ tenantId, text }: { tenantId: string; text: string }): ReactNode {
  const parsed = checkpointOf(text);
  return (
    <>
      {parsed && (
        <Facts
          facts={[
            ['Log', parsed.origin],
            ['Entries', parsed.size.toLocaleString()],
            ['Root hash', <code key="root">{parsed.rootHash}</code>],
            ['Signed', parsed.signedAt && <Time key="time" at={parsed.signedAt} />],
          ]}
        />
      )}
      <Copyable text={text} what="the checkpoint" />
      <p>
        <button type="button" onClick={() => saveFile(`checkpoint-${tenantId}.txt`, new Blob([text]))}>
          Download the checkpoint
        </button>
      </p>
      {parsed && parsed.size > 0 && <Proofs tenantId={tenantId} size={parsed.size} />}
    </>
  );
}
