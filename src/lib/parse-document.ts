import { parse, YAMLParseError } from 'yaml';
import { decodeText } from './text.ts';

export type Bag = Readonly<Record<string, unknown>>;
export const isBag = (value: unknown): value is Bag =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/**
 * Returns the members of a YAML or JSON file; an empty file has none. `example` shows the reader of
 * a message what belongs there.
 *
 * @throws Error that says what the bytes are instead, and where
 */
export function parseDocument(bytes: Uint8Array, example: string): Bag {
  const document = parseYaml(decodeText(bytes)) ?? {};
  if (isBag(document)) return document;
  throw new Error(
    `must be YAML or JSON such as "${example}", but is ${Array.isArray(document) ? 'a list' : 'plain text'}`,
  );
}

function parseYaml(text: string): unknown {
  try {
    return parse(text);
  } catch (error) {
    if (!(error instanceof YAMLParseError)) throw new Error('has too many aliases'); // the one other error of this parser
    const { line, col } = error.linePos?.[0] ?? { line: 0, col: 0 };
    throw new Error(`line ${line}, column ${col}: ${FAULTS[error.code] ?? `is neither YAML nor JSON (${error.code})`}`);
  }
}

const FAULTS: Readonly<Record<string, string>> = {
  DUPLICATE_KEY: 'this name occurs twice in its section',
  MULTIPLE_DOCS: 'a second document begins: write one document',
  TAB_AS_INDENT: 'is indented by a tab: use spaces',
};
