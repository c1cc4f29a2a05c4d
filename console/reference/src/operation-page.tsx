import type { ReactNode } from 'react';
import { Copyable } from '../../src/parts/copy-button.tsx';
import { PageTitle } from '../../src/parts/page-title.tsx';
import { Scrollable } from '../../src/parts/scrollable.tsx';
import type { Operation, Parameter } from './contract.ts';
import { usePage } from './page-context.ts';
import { Answers } from './parts/answers.tsx';
import { Method } from './parts/method.tsx';
import { Inline, Prose } from './parts/prose.tsx';
import { typeText } from './parts/schema-facts.ts';
import { Bounds, SchemaView } from './parts/schema-view.tsx';
import { TryIt } from './try/try-it.tsx';

/** One operation: its description beside a form that sends it. */
export function OperationPage({ operation }: { operation: Operation }): ReactNode {
  const { base } = usePage();
  const { id, method, path, summary, description, needsToken, parameters, body } = operation;
  const roles = rolesIn(description);
  return (
    <div className="operation">
      <section aria-label="Description">
        <PageTitle>{summary}</PageTitle>
        <p className="break">
          <Method method={method} /> <code>{path}</code>
        </p>
        <p className="quiet">
          <code>{id}</code> · {operation.tag} · <a href={`#${id}`}>link to this operation</a>
        </p>
        <Prose text={description} />
        <h2>Authentication</h2>
        <p>
          {needsToken ? (
            <>
              <code>Authorization: Bearer …</code> with a token
              {roles.length > 0 && (
                <>
                  {' '}
                  that has <Inline text={roles.map((role) => `\`${role}\``).join(' and ')} />
                </>
              )}
              .
            </>
          ) : (
            'None: this operation takes no token.'
          )}
        </p>
        {parameters.length > 0 && <Parameters parameters={parameters} />}
        {body && (
          <>
            <h2>Body</h2>
            <p>
              <code>{body.type}</code>
              {body.isRequired ? ', required' : ', optional'}
            </p>
            <SchemaView schema={body.schema} />
            {body.example !== undefined && (
              <Copyable text={JSON.stringify(body.example, undefined, 2)} what="the example of the body" />
            )}
          </>
        )}
        <Answers answers={operation.answers} />
      </section>
      <TryIt operation={operation} base={base} />
    </div>
  );
}

/** Returns the roles that the text of an operation names. */
const rolesIn = (description: string): readonly string[] =>
  /Needs the roles? (.*)/.exec(description)?.[1]?.match(/(?<=`)[A-Z]\w+\.\w+(?=`)/g) ?? [];

function Parameters({ parameters }: { parameters: readonly Parameter[] }): ReactNode {
  const { contract } = usePage();
  return (
    <>
      <h2>Parameters</h2>
      <Scrollable label="Parameters" className="table-frame">
        <table>
          <thead>
            <tr>
              <th scope="col">Name</th>
              <th scope="col">In</th>
              <th scope="col">Value</th>
            </tr>
          </thead>
          <tbody>
            {parameters.map(({ name, in: place, required, description, schema }) => (
              <tr key={name}>
                <th scope="row">
                  <code>{name}</code>
                  {required && (
                    <>
                      {' '}
                      <strong>required</strong>
                    </>
                  )}
                </th>
                <td>{place}</td>
                <td className="break">
                  <span className="quiet">{typeText(contract, schema)}</span> <Inline text={description ?? ''} />
                  <Bounds schema={schema} />
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      </Scrollable>
    </>
  );
}
