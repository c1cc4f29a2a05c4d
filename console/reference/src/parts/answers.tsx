import type { ReactNode } from 'react';
import { Copyable } from '../../../src/parts/copy-button.tsx';
import type { Answer, Operation } from '../contract.ts';
import { Inline } from './prose.tsx';
import { SchemaView } from './schema-view.tsx';

const PROBLEM = 'application/problem+json';

/** The answers by status; those of failure with their codes, and the form of a problem once. */
export function Answers({ answers }: { answers: Operation['answers'] }): ReactNode {
  const all = Object.entries(answers);
  const problem = all.map(([, { content }]) => content?.[PROBLEM]?.schema).find((schema) => schema !== undefined);
  return (
    <>
      <h2>Answers</h2>
      {all
        .filter(([status]) => status.startsWith('2'))
        .map(([status, answer]) => (
          <Success key={status} status={status} answer={answer} />
        ))}
      <h3>Problems</h3>
      <dl className="facts">
        {all
          .filter(([status]) => !status.startsWith('2') && status !== 'default')
          .map(([status, answer]) => (
            <div key={status}>
              <dt>{status}</dt>
              <dd>
                {answer.description.split('\n\n').map((line) => (
                  <p key={line}>
                    <Inline text={line} />
                  </p>
                ))}
                <Headers answer={answer} />
              </dd>
            </div>
          ))}
      </dl>
      {problem && (
        <details>
          <summary>The form of a problem</summary>
          <SchemaView schema={problem} />
        </details>
      )}
    </>
  );
}

const Success = ({ status, answer }: { status: string; answer: Answer }): ReactNode => (
  <>
    <h3>
      {status} {answer.description}
    </h3>
    {Object.entries(answer.content ?? {}).map(([type, { schema, example }]) => (
      <div key={type}>
        <p>
          <code>{type}</code>
        </p>
        <SchemaView schema={schema} />
        {example !== undefined && (
          <Copyable
            text={typeof example === 'string' ? example : JSON.stringify(example, undefined, 2)}
            what={`the example of ${type}`}
          />
        )}
      </div>
    ))}
    <Headers answer={answer} />
  </>
);

const Headers = ({ answer: { headers = {} } }: { answer: Answer }): ReactNode =>
  Object.keys(headers).length > 0 && (
    <details>
      <summary>Headers</summary>
      <dl className="facts">
        {Object.entries(headers).map(([name, { description }]) => (
          <div key={name}>
            <dt>{name}</dt>
            <dd>
              <Inline text={description ?? ''} />
            </dd>
          </div>
        ))}
      </dl>
    </details>
  );
