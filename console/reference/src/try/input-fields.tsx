import type { ReactNode } from 'react';
import { Field, type FieldIds } from '../../../src/parts/field.tsx';
import { answerTypes, type Operation, type Parameter } from '../contract.ts';
import { isJson } from '../is-json.ts';
import type { Inputs } from '../samples/request.ts';

interface InputFieldsProps {
  readonly operation: Operation;
  readonly inputs: Inputs;
  readonly onChange: (inputs: Inputs) => void;
}

/** A field for each parameter, for the body, and for the media type of the answer if there is a choice. */
export function InputFields({ operation, inputs, onChange }: InputFieldsProps): ReactNode {
  const { parameters } = operation;
  const types = answerTypes(operation);
  const field = (parameter: Parameter): ReactNode => (
    <ParameterField
      key={parameter.name}
      parameter={parameter}
      value={inputs.parameters[parameter.name] ?? ''}
      onChange={(value) => onChange({ ...inputs, parameters: { ...inputs.parameters, [parameter.name]: value } })}
    />
  );
  const optional = parameters.filter(({ required }) => !required);
  return (
    <>
      {parameters.filter(({ required }) => required).map(field)}
      {optional.length > 0 && (
        <details open={optional.some(({ name }) => (inputs.parameters[name] ?? '') !== '')}>
          <summary>Optional parameters</summary>
          <div className="form">{optional.map(field)}</div>
        </details>
      )}
      {types.length > 1 && (
        <Field label="Form of the answer">
          {(ids) => (
            <Choice
              ids={ids}
              value={inputs.accept}
              values={types}
              onChange={(accept) => onChange({ ...inputs, accept })}
            />
          )}
        </Field>
      )}
      {operation.body && <BodyField type={operation.body.type} inputs={inputs} onChange={onChange} />}
    </>
  );
}

interface ParameterFieldProps {
  readonly parameter: Parameter;
  readonly value: string;
  readonly onChange: (value: string) => void;
}

function ParameterField({ parameter, value, onChange }: ParameterFieldProps): ReactNode {
  const { name, required = false, schema } = parameter;
  const choices = schema.enum?.map(String);
  return (
    <Field label={name}>
      {(ids) =>
        choices ? (
          <Choice ids={ids} value={value} values={required ? choices : ['', ...choices]} onChange={onChange} />
        ) : (
          <input
            {...ids}
            value={value}
            required={required}
            placeholder={typeof schema.example === 'string' ? schema.example : undefined}
            autoComplete="off"
            spellCheck={false}
            onChange={({ target }) => onChange(target.value)}
          />
        )
      }
    </Field>
  );
}

interface ChoiceProps {
  readonly ids: FieldIds;
  readonly value: string;
  readonly values: readonly string[];
  readonly onChange: (value: string) => void;
}

const Choice = ({ ids, value, values, onChange }: ChoiceProps): ReactNode => (
  <select {...ids} value={value} onChange={({ target }) => onChange(target.value)}>
    {values.map((one) => (
      <option key={one} value={one}>
        {one === '' ? '(not sent)' : one}
      </option>
    ))}
  </select>
);

const MAX_ROWS = 20;

function BodyField({ type, inputs, onChange }: { type: string } & Omit<InputFieldsProps, 'operation'>): ReactNode {
  const { body } = inputs;
  const isBinary = type === 'application/octet-stream';
  const set = (value: string | File): void => onChange({ ...inputs, body: value });
  const text = typeof body === 'string' ? body : '';
  return (
    <>
      <Field
        label={isBinary ? 'Body, as text' : `Body, ${type}`}
        error={isBinary || text === '' || isJson(text) ? undefined : 'This is no JSON.'}
        {...(typeof body !== 'string' && { hint: `Replaces the file ${body.name}.` })}
      >
        {(ids) => (
          <textarea
            {...ids}
            className="code"
            rows={Math.min(MAX_ROWS, text.split('\n').length + 1)}
            value={text}
            spellCheck={false}
            onChange={({ target }) => set(target.value)}
          />
        )}
      </Field>
      {isBinary && (
        <Field
          label="Or a file"
          {...(typeof body !== 'string' && { hint: `${body.name}, ${body.size.toLocaleString('en')} bytes` })}
        >
          {(ids) => <input {...ids} type="file" onChange={({ target }) => set(target.files?.[0] ?? '')} />}
        </Field>
      )}
    </>
  );
}
