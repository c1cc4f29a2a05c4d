import type { ReactNode } from 'react';
import type { Tenant } from '../../api/types.ts';
import { Notice } from '../../parts/notice.tsx';
import { TableFrame } from '../../parts/table-frame.tsx';
import { differences, editable } from '../../text/record-draft.ts';

interface ChangeConflictProps {
  readonly base: Tenant;
  readonly latest: Tenant;
  readonly ours: Readonly<Record<string, unknown>>;
  readonly isPending: boolean;
  onOverwrite(): void;
  onStartAgain(): void;
}

/** Shows what another admin saved since this form was opened, and both ways to continue. */
export function ChangeConflict({
  base,
  latest,
  ours,
  isPending,
  onOverwrite,
  onStartAgain,
}: ChangeConflictProps): ReactNode {
  const changes = differences(editable(base), editable(latest), ours);
  const isOverlapping = changes.some((change) => 'ours' in change);
  return (
    <Notice
      kind="warning"
      title={`Somebody else saved revision ${latest.revision} meanwhile. Nothing of yours is saved yet.`}
    >
      {changes.length === 0 ? (
        <p>They changed none of the members shown here.</p>
      ) : (
        <TableFrame label="What they changed">
          <thead>
            <tr>
              <th scope="col">Member</th>
              <th scope="col">Before</th>
              <th scope="col">Theirs</th>
              <th scope="col">Yours</th>
            </tr>
          </thead>
          <tbody>
            {changes.map(({ member, before, theirs, ...rest }) => (
              <tr key={member}>
                <th scope="row">{member}</th>
                <td>{shown(before)}</td>
                <td>{shown(theirs)}</td>
                <td>{'ours' in rest ? shown(rest.ours) : 'unchanged'}</td>
              </tr>
            ))}
          </tbody>
        </TableFrame>
      )}
      <p className="row">
        <button
          type="button"
          className={isOverlapping ? 'danger' : 'primary'}
          disabled={isPending}
          onClick={onOverwrite}
        >
          {isOverlapping ? 'Save mine over theirs' : 'Save my changes on top of theirs'}
        </button>
        <button type="button" disabled={isPending} onClick={onStartAgain}>
          Discard mine and edit theirs
        </button>
      </p>
    </Notice>
  );
}

const shown = (value: unknown): ReactNode => (
  <code className="break">{value === undefined ? 'absent' : JSON.stringify(value)}</code>
);
