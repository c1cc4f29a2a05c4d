/** The parts of OpenAPI 3.0 that openapi.yaml uses. */
export interface Contract {
  readonly info: { readonly title: string; readonly version: string; readonly description: string };
  readonly tags: readonly { readonly name: string; readonly description: string }[];
  readonly paths: Readonly<Record<string, Readonly<Record<string, OperationObject>>>>;
  readonly components: {
    readonly schemas: Readonly<Record<string, Schema>>;
    readonly parameters: Readonly<Record<string, Parameter>>;
  };
}

interface OperationObject {
  readonly operationId: string;
  readonly tags: readonly string[];
  readonly summary: string;
  readonly description?: string;
  /** An empty list: no token. */
  readonly security?: readonly unknown[];
  readonly parameters?: readonly (Parameter | Reference)[];
  readonly requestBody?: { readonly required?: boolean; readonly content: Content };
  readonly responses: Readonly<Record<string, Answer>>;
}

interface Reference {
  readonly $ref: string;
}

export interface Parameter {
  readonly in: 'path' | 'query' | 'header';
  readonly name: string;
  readonly required?: boolean;
  readonly description?: string;
  readonly schema: Schema;
}

export interface Answer {
  readonly description: string;
  readonly headers?: Readonly<Record<string, { readonly description?: string; readonly schema: Schema }>>;
  readonly content?: Content;
}

type Content = Readonly<Record<string, { readonly schema: Schema; readonly example?: unknown }>>;

export interface Schema {
  readonly $ref?: string;
  readonly type?: string;
  readonly format?: string;
  readonly description?: string;
  readonly enum?: readonly unknown[];
  readonly default?: unknown;
  readonly example?: unknown;
  readonly pattern?: string;
  readonly nullable?: boolean;
  readonly minLength?: number;
  readonly maxLength?: number;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly minItems?: number;
  readonly maxItems?: number;
  readonly minProperties?: number;
  readonly maxProperties?: number;
  readonly required?: readonly string[];
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly additionalProperties?: boolean | Schema;
  readonly items?: Schema;
  readonly allOf?: readonly Schema[];
  readonly anyOf?: readonly Schema[];
  readonly oneOf?: readonly Schema[];
}

/** One operation, with its parameters resolved. */
export interface Operation {
  readonly id: string;
  readonly tag: string;
  readonly method: string;
  /** With parameters in braces. */
  readonly path: string;
  readonly summary: string;
  readonly description: string;
  readonly needsToken: boolean;
  readonly parameters: readonly Parameter[];
  readonly body: Body | undefined;
  readonly answers: Readonly<Record<string, Answer>>;
}

interface Body {
  readonly type: string;
  readonly isRequired: boolean;
  readonly schema: Schema;
  readonly example: unknown;
}

/** Returns the operations in the contract's order of tags. */
export function operationsOf(contract: Contract): readonly Operation[] {
  const all = Object.entries(contract.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => toOperation(contract, path, method, operation)),
  );
  const order = contract.tags.map(({ name }) => name);
  return all.sort((a, b) => order.indexOf(a.tag) - order.indexOf(b.tag));
}

function toOperation(contract: Contract, path: string, method: string, operation: OperationObject): Operation {
  const [media] = Object.entries(operation.requestBody?.content ?? {});
  return {
    id: operation.operationId,
    tag: operation.tags[0] ?? '',
    method: method.toUpperCase(),
    path,
    summary: operation.summary,
    description: operation.description ?? '',
    needsToken: operation.security?.length !== 0,
    parameters: (operation.parameters ?? []).map((parameter) => resolveParameter(contract, parameter)),
    body: media && {
      type: media[0],
      isRequired: operation.requestBody?.required === true,
      schema: media[1].schema,
      example: media[1].example,
    },
    answers: operation.responses,
  };
}

function resolveParameter({ components }: Contract, parameter: Parameter | Reference): Parameter {
  if (!('$ref' in parameter)) return parameter;
  const found = components.parameters[lastPart(parameter.$ref)];
  if (!found) throw new Error(`The contract has no ${parameter.$ref}`);
  return found;
}

/** Returns the schema without a reference, and without an `allOf` of one that only adds a description. */
export function resolveSchema(contract: Contract, schema: Schema): Schema {
  const [only] = schema.allOf ?? [];
  if (only && schema.allOf?.length === 1) {
    const { allOf: _allOf, ...own } = schema;
    return { ...resolveSchema(contract, only), ...own };
  }
  if (schema.$ref === undefined) return schema;
  const found = contract.components.schemas[lastPart(schema.$ref)];
  if (!found) throw new Error(`The contract has no ${schema.$ref}`);
  return resolveSchema(contract, found);
}

/** Returns the name of the schema that is referred to. */
export function schemaName(schema: Schema): string | undefined {
  const reference = schema.$ref ?? (schema.allOf?.length === 1 ? schema.allOf[0]?.$ref : undefined);
  return reference === undefined ? undefined : lastPart(reference);
}

/** Returns the media types of the answer of success, the usual one first; none if it may be empty. */
export function answerTypes({ answers }: Operation): readonly string[] {
  const successes = Object.entries(answers).filter(([status]) => status.startsWith('2'));
  if (successes.some(([, { content }]) => content === undefined)) return [];
  return successes.flatMap(([, { content }]) => Object.keys(content ?? {}));
}

const lastPart = (reference: string): string => reference.slice(reference.lastIndexOf('/') + 1);
