import type { ReactNode } from 'react';
import { Scrollable } from './scrollable.tsx';

export const TableFrame = ({ label, children }: { label: string; children: ReactNode }): ReactNode => (
  <Scrollable label={label} className="table-frame">
    <table>{children}</table>
  </Scrollable>
);
