import type { ReactNode } from 'react';

const FORMAT = new Intl.DateTimeFormat(undefined, { dateStyle: 'medium', timeStyle: 'medium' });

/** A time in the reader's zone; the machine-readable one is in UTC. */
export const Time = ({ at }: { at: string | undefined }): ReactNode =>
  at === undefined ? '–' : <time dateTime={at}>{FORMAT.format(new Date(at))}</time>;
