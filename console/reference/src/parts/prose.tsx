import type { ReactNode } from 'react';

/** Text of the contract: paragraphs, and code between backticks. */
export const Prose = ({ text }: { text: string }): ReactNode =>
  text
    .split(/\n{2,}/)
    .filter((paragraph) => paragraph.trim() !== '')
    .map((paragraph) => (
      <p key={paragraph} className="prose">
        <Inline text={paragraph} />
      </p>
    ));

/** One line of the contract's text. */
export const Inline = ({ text }: { text: string }): ReactNode =>
  text.split(/(`[^`]+`)/).map((part, at) =>
    // biome-ignore lint/suspicious/noArrayIndexKey: the parts never change their order
    part.startsWith('`') ? <code key={at}>{part.slice(1, -1)}</code> : part,
  );
