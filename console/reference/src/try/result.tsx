import type { ReactNode } from 'react';
import { Copyable } from '../../../src/parts/copy-button.tsx';
import { saveFile } from '../../../src/parts/download.ts';
import { Scrollable } from '../../../src/parts/scrollable.tsx';
import { bodyText } from './body-text.ts';
import type { Answered } from './perform.ts';

/** The answer of a call: status, time, headers and body. */
export function Result({ outcome: { response, content, isCut, ms } }: { outcome: Answered }): ReactNode {
  const type = response.headers.get('Content-Type') ?? '';
  const shown = bodyText(type, content);
  return (
    <section className={`result ${response.ok ? 'good' : 'bad'}`} aria-label="Answer">
      <p role="status" className="outcome">
        <strong>
          {response.status} {response.statusText}
        </strong>{' '}
        in {Math.round(ms)} ms, {content.length.toLocaleString('en')} bytes
      </p>
      <details>
        <summary>Headers of the answer</summary>
        <Scrollable label="Headers of the answer" className="scroll">
          <pre>{[...response.headers].map(([name, value]) => `${name}: ${value}`).join('\n')}</pre>
        </Scrollable>
      </details>
      {content.length > 0 && <Copyable text={shown.text} what="the body of the answer" />}
      {shown.note !== '' && <p className="quiet">{shown.note}</p>}
      {isCut && <p className="quiet">The answer is longer; curl reads all of it.</p>}
      {content.length > 0 && (
        <button type="button" onClick={() => saveFile('answer.bin', new Blob([content]))}>
          Save the body
        </button>
      )}
    </section>
  );
}
