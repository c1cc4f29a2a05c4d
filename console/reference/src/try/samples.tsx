import type { ReactNode } from 'react';
import { Copyable } from '../../../src/parts/copy-button.tsx';
import type { Operation } from '../contract.ts';
import { usePage } from '../page-context.ts';
import type { Inputs } from '../samples/request.ts';
import { LANGUAGES, sampleOf } from '../samples/samples.ts';

interface SamplesProps {
  readonly operation: Operation;
  readonly base: string;
  readonly inputs: Inputs;
}

/** The call that the form sends, as code in the chosen language. */
export function Samples({ operation, base, inputs }: SamplesProps): ReactNode {
  const { language, onLanguage } = usePage();
  return (
    <>
      <h2 id="code">Code</h2>
      {/* biome-ignore lint/a11y/useSemanticElements: the buttons are no form */}
      <div className="row" role="group" aria-labelledby="code">
        {LANGUAGES.map((one) => (
          <button key={one} type="button" aria-pressed={one === language} onClick={() => onLanguage(one)}>
            {one}
          </button>
        ))}
      </div>
      <Copyable text={sampleOf(language, base, operation, inputs)} what={`the code for ${language}`} />
    </>
  );
}
