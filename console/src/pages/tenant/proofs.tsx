import { useMutation } from '@tanstack/react-query';
import { type ReactNode, useState } from 'react';
import { tenantPath } from '../../api/paths.ts';
import { useApi } from '../../app/context.ts';
import { Copyable } from '../../parts/copy-button.tsx';
import { saveFile } from '../../parts/download.ts';
import { Failure } from '../../parts/failure.tsx';
import { Field } from '../../parts/field.tsx';
import { entriesPath, entryIn, numberIn } from '../../text/log-place.ts';

interface ProofProps {
  readonly tenantId: string;
  /** The number of entries under the last checkpoint. */
  readonly size: number;
}

/** Proofs under the last checkpoint: of one entry, and that the log only grew since an earlier one. */
export const Proofs = (props: ProofProps): ReactNode => (
  <>
    <h3>Prove that an entry is in the log</h3>
    <p>The proof leads from the entry's hash to the root hash of the last checkpoint, as a C2SP tlog-proof.</p>
    <EntryProof {...props} />
    <h3>Prove that the log only grew</h3>
    <p>The proof leads from the root hash of an earlier checkpoint to that of the last one.</p>
    <GrowthProof {...props} />
    <p className="quiet">
      This page verifies nothing, since the service could change it. The customer verifies with tools of its own or with
      the script of docs/trust.md; the key comes from `vaultspan log key`.
    </p>
  </>
);

function EntryProof({ tenantId, size }: ProofProps): ReactNode {
  const api = useApi();
  const [text, setText] = useState('');
  const sequence = numberIn(text, 0, size - 1);
  const prove = useMutation({
    mutationFn: async (number: number) => {
      const [lines, proof] = await Promise.all([
        api.raw(tenantPath(tenantId, entriesPath(number, size)), { accept: 'application/x-ndjson' }),
        api.raw(tenantPath(tenantId, '/log/proof'), { query: { sequence: number }, accept: 'text/plain' }),
      ]);
      return { number, entry: entryIn(await lines.text(), number) ?? '', proof: await proof.text() };
    },
  });
  return (
    <>
      <NumberForm
        label={`Number of the entry, 0 to ${size - 1}`}
        action="Prove the entry"
        text={text}
        isPending={prove.isPending}
        onText={setText}
        onNumber={sequence === undefined ? undefined : () => prove.mutate(sequence)}
      />
      {prove.error && <Failure error={prove.error} />}
      {prove.data && (
        <>
          <Copyable text={prove.data.entry} what={`Entry ${prove.data.number}`} />
          <Proof
            name={`proof-${tenantId}-${prove.data.number}`}
            text={prove.data.proof}
            what="the proof of the entry"
          />
        </>
      )}
    </>
  );
}

function GrowthProof({ tenantId, size }: ProofProps): ReactNode {
  const api = useApi();
  const [text, setText] = useState('');
  const from = numberIn(text, 0, size);
  const prove = useMutation({
    mutationFn: async (number: number) => {
      const path = tenantPath(tenantId, '/log/proof');
      const response = await api.raw(path, { query: { from: number }, accept: 'text/plain' });
      return { number, proof: await response.text() };
    },
  });
  return (
    <>
      <NumberForm
        label={`Entries of the earlier checkpoint, 0 to ${size}`}
        action="Prove the growth"
        text={text}
        isPending={prove.isPending}
        onText={setText}
        onNumber={from === undefined ? undefined : () => prove.mutate(from)}
      />
      {prove.error && <Failure error={prove.error} />}
      {prove.data && (
        <Proof
          name={`growth-${tenantId}-${prove.data.number}`}
          text={prove.data.proof}
          what="the proof of the growth"
        />
      )}
    </>
  );
}

interface NumberFormProps {
  readonly label: string;
  readonly action: string;
  readonly text: string;
  readonly isPending: boolean;
  onText(text: string): void;
  /** Absent while the text is no such number. */
  readonly onNumber: (() => void) | undefined;
}

const NumberForm = ({ label, action, text, isPending, onText, onNumber }: NumberFormProps): ReactNode => (
  <form
    className="row"
    onSubmit={(event) => {
      event.preventDefault();
      onNumber?.();
    }}
  >
    <Field label={label} error={text !== '' && !onNumber ? 'Is not in the log' : undefined}>
      {(ids) => (
        <input
          {...ids}
          inputMode="numeric"
          maxLength={15}
          value={text}
          onChange={({ target }) => onText(target.value)}
        />
      )}
    </Field>
    <button type="submit" disabled={!onNumber || isPending}>
      {action}
    </button>
  </form>
);

const Proof = ({ name, text, what }: { name: string; text: string; what: string }): ReactNode => (
  <>
    <Copyable text={text} what={what} />
    <p>
      <button type="button" onClick={() => saveFile(`${name}.txt`, new Blob([text]))}>
        Download {what}
      </button>
    </p>
  </>
);
