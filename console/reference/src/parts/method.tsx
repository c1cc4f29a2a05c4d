import type { ReactNode } from 'react';

export const Method = ({ method }: { method: string }): ReactNode => (
  <span className={`method ${method.toLowerCase()}`}>{method === 'DELETE' ? 'DEL' : method}</span>
);
