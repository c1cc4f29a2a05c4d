import { type ReactNode, useState } from 'react';
import { type Contract, resolveSchema, type Schema } from '../contract.ts';
import { usePage } from '../page-context.ts';
import { Inline } from './prose.tsx';
import { boundsOf, typeText } from './schema-facts.ts';

/** A schema: its own facts, and the members of objects, which open one by one. */
export function SchemaView({ schema }: { schema: Schema }): ReactNode {
  const { contract } = usePage();
  const resolved = resolveSchema(contract, schema);
  return (
    <div className="schema">
      <p>
        <code>{typeText(contract, schema)}</code>
        <About schema={resolved} />
      </p>
      <Members schema={inner(contract, schema)} />
    </div>
  );
}

/** Returns the object inside of arrays and maps. */
function inner(contract: Contract, schema: Schema): Schema {
  const resolved = resolveSchema(contract, schema);
  if (resolved.items) return inner(contract, resolved.items);
  const { additionalProperties: others } = resolved;
  return !resolved.properties && typeof others === 'object' ? inner(contract, others) : resolved;
}

function Members({ schema }: { schema: Schema }): ReactNode {
  const choices = schema.oneOf ?? schema.anyOf;
  if (choices) {
    return (
      <ul className="choices">
        {choices.map((choice) => (
          <li key={JSON.stringify(choice)}>
            <SchemaView schema={choice} />
          </li>
        ))}
      </ul>
    );
  }
  const members = Object.entries(schema.properties ?? {});
  if (members.length === 0) return null;
  return (
    <ul className="members">
      {members.map(([name, member]) => (
        <Member key={name} name={name} schema={member} isRequired={schema.required?.includes(name) === true} />
      ))}
    </ul>
  );
}

interface MemberProps {
  readonly name: string;
  readonly schema: Schema;
  readonly isRequired: boolean;
}

function Member({ name, schema, isRequired }: MemberProps): ReactNode {
  const { contract } = usePage();
  const [isOpen, setOpen] = useState(false);
  const resolved = resolveSchema(contract, schema);
  const content = inner(contract, schema);
  const hasMembers = content.properties !== undefined || content.oneOf !== undefined || content.anyOf !== undefined;
  return (
    <li>
      <p>
        <code className="member">{name}</code> <span className="quiet">{typeText(contract, schema)}</span>{' '}
        {isRequired && <strong>required</strong>}
        <About schema={resolved} />
      </p>
      {hasMembers && (
        <>
          <button type="button" className="small" aria-expanded={isOpen} onClick={() => setOpen(!isOpen)}>
            {isOpen ? 'Hide' : 'Show'} the members of {name}
          </button>
          {isOpen && <Members schema={content} />}
        </>
      )}
    </li>
  );
}

/** The description and the bounds of a schema. */
const About = ({ schema }: { schema: Schema }): ReactNode => (
  <>
    {schema.description !== undefined && (
      <>
        {' '}
        <Inline text={schema.description} />
      </>
    )}
    <Bounds schema={schema} />
  </>
);

export const Bounds = ({ schema }: { schema: Schema }): ReactNode => {
  const bounds = boundsOf(schema);
  return bounds.length === 0 ? null : (
    <span className="bounds">
      <Inline text={bounds.join('; ')} />
    </span>
  );
};
