import type { ReactNode } from 'react';

export interface NoticeProps {
  readonly kind: 'error' | 'success' | 'warning' | 'info';
  readonly title: string;
  readonly children?: ReactNode;
}

const WORDS = { error: 'Error', success: 'Done', warning: 'Warning', info: 'Note' } as const;

/** A framed message. Its kind is also a word, since colours are not seen by everybody. */
export const Notice = ({ kind, title, children }: NoticeProps): ReactNode => (
  <section
    className={`notice ${kind}`}
    role={kind === 'error' ? 'alert' : 'status'}
    aria-label={`${WORDS[kind]}: ${title}`}
  >
    <p className="notice-title">
      <span className="kind">{WORDS[kind]}</span> {title}
    </p>
    {children}
  </section>
);
