import type { ReactNode } from 'react';
import type { Usage } from '../api/types.ts';
import { TableFrame } from './table-frame.tsx';

const TITLES = {
  operations: 'Operations',
  failures: 'Failures',
  bytes: 'Bytes',
  vaultCalls: 'Vault calls',
  leases: 'Leases',
  leasedMessages: 'Leased messages',
} as const satisfies Partial<Record<keyof Usage, string>>;

export type UsageColumn = keyof typeof TITLES;

export const titleOf = (column: UsageColumn): string => TITLES[column];

interface UsageTableProps<Column extends UsageColumn> {
  readonly label: string;
  /** Title of the first column. */
  readonly first: string;
  readonly columns: readonly Column[];
  readonly rows: readonly {
    readonly key: string;
    /** The cell of the first column. */
    readonly head: ReactNode;
    readonly usage: Readonly<Record<Column, number>>;
  }[];
}

/** Usage with a row for each tenant or time. */
export const UsageTable = <Column extends UsageColumn>(props: UsageTableProps<Column>): ReactNode => (
  <TableFrame label={props.label}>
    <thead>
      <tr>
        <th scope="col">{props.first}</th>
        {props.columns.map((column) => (
          <th key={column} scope="col">
            {TITLES[column]}
          </th>
        ))}
      </tr>
    </thead>
    <tbody>
      {props.rows.map(({ key, head, usage }) => (
        <tr key={key}>
          <th scope="row">{head}</th>
          {props.columns.map((column) => (
            <td key={column} className="number">
              {usage[column].toLocaleString()}
            </td>
          ))}
        </tr>
      ))}
    </tbody>
  </TableFrame>
);
