import type { OcsfEvent } from './ocsf.ts';

/** A row of the customer's table: an event whose time and count have names that Kusto allows. */
export type SiemRow = Omit<OcsfEvent, 'time' | 'count'> & {
  readonly TimeGenerated: string;
  readonly event_count?: number;
};

/** The columns of the customer's table, with their types in Log Analytics. */
export const SIEM_COLUMNS = {
  TimeGenerated: 'datetime',
  activity_id: 'int',
  activity_name: 'string',
  actor: 'dynamic',
  api: 'dynamic',
  category_uid: 'int',
  class_uid: 'int',
  event_count: 'int',
  metadata: 'dynamic',
  resources: 'dynamic',
  severity_id: 'int',
  src_endpoint: 'dynamic',
  status: 'string',
  status_code: 'string',
  status_detail: 'string',
  status_id: 'int',
  type_uid: 'long',
  unmapped: 'dynamic',
} as const satisfies Readonly<Record<keyof SiemRow, string>>;

/** Returns the row of an event. */
export const rowOf = ({ time, count, ...event }: OcsfEvent): SiemRow => ({
  TimeGenerated: new Date(time).toISOString(),
  ...event,
  ...(count !== undefined && { event_count: count }),
});
