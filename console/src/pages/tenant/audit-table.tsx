import type { ReactNode } from 'react';
import type { AuditRecord } from '../../api/types.ts';
import { Badge, moodOf } from '../../parts/badge.tsx';
import { TableFrame } from '../../parts/table-frame.tsx';
import { Time } from '../../parts/time.tsx';

export const AuditTable = ({ records }: { records: readonly AuditRecord[] }): ReactNode => (
  <TableFrame label="Audit records">
    <thead>
      <tr>
        <th scope="col">When</th>
        <th scope="col">Operation</th>
        <th scope="col">Outcome</th>
        <th scope="col">Caller</th>
        <th scope="col">Record</th>
      </tr>
    </thead>
    <tbody>
      {records.map((record) => (
        <tr key={`${record.chain} ${record.sequence}`}>
          <td>
            <Time at={record.at} />
          </td>
          <td>{record.operation ?? record.type}</td>
          <td>
            {record.outcome !== undefined && (
              <Badge mood={moodOf(record.outcome)}>{[record.outcome, record.code].filter(Boolean).join(': ')}</Badge>
            )}
          </td>
          <td className="break caller">{callerOf(record)}</td>
          <td>
            <details>
              <summary>{record.sequence}</summary>
              <pre>{JSON.stringify(record, undefined, 2)}</pre>
            </details>
          </td>
        </tr>
      ))}
    </tbody>
  </TableFrame>
);

/** Returns the caller without its issuer, which is the same for nearly all. */
const callerOf = ({ principal }: AuditRecord): string => principal?.slice(principal.lastIndexOf('#') + 1) ?? '';
