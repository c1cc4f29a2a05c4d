import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { type JsonBounds, type JsonFault, jsonFault } from '../../src/lib/json-fault.ts';

const BOUNDS: JsonBounds = { maxDepth: 4, maxValues: 40 };

/** A value as it will be written, duplicate names included. */
type Written =
  | { readonly members: readonly (readonly [name: string, value: Written])[] }
  | { readonly items: readonly Written[] }
  | { readonly text: string };

/** Names of few letters often occur twice, and an escape gives one of them another spelling. */
const name = fc.oneof(
  fc.constantFrom('"a"', '"b"', '"\\u0061"', '"a\\\\"', '"\\""', '""', '"b\\\\\\""'),
  fc.string().map((text) => JSON.stringify(text)),
);
const leaf = fc.oneof(
  fc.json({ maxDepth: 0 }),
  fc.constantFrom('"{[,"', '"\\\\"', '"\\"{"', '-1.5e3', '"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\\""'),
);
const { written } = fc.letrec<{ written: Written }>((tie) => ({
  written: fc.oneof(
    { depthSize: 'small' },
    leaf.map((text) => ({ text })),
    fc.array(fc.tuple(name, tie('written')), { maxLength: 24 }).map((members) => ({ members })),
    fc.array(tie('written'), { maxLength: 6 }).map((items) => ({ items })),
  ),
}));

function textOf(value: Written, space: string): string {
  if ('text' in value) return value.text;
  if ('items' in value) return `[${space}${value.items.map((item) => textOf(item, space)).join(`${space},`)}]`;
  return `{${value.members.map(([key, member]) => `${space}${key}${space}:${textOf(member, space)}`).join(',')}${space}}`;
}

type Path = JsonFault['path'];
type Step = readonly [what: 'open' | 'comma' | 'name', path: Path];

/**
 * Yields the steps of a reader of the text, in order: containers, the commas in them, and names.
 */
function* stepsOf(value: Written, path: Path = []): Generator<Step> {
  if ('text' in value) return;
  yield ['open', path];
  if ('items' in value) {
    for (const [at, item] of value.items.entries()) {
      if (at > 0) yield ['comma', [...path, at]];
      yield* stepsOf(item, [...path, at]);
    }
    return;
  }
  let before = '';
  for (const [at, [key, member]] of value.members.entries()) {
    if (at > 0) yield ['comma', [...path, before]];
    before = JSON.parse(key) as string;
    yield ['name', [...path, before]];
    yield* stepsOf(member, [...path, before]);
  }
}

function faultOf(root: Written, { maxDepth, maxValues }: JsonBounds): JsonFault | undefined {
  let values = 1;
  const names = new Set<string>();
  for (const [what, path] of stepsOf(root)) {
    if (what === 'open' && path.length === maxDepth) return { kind: 'depth', path };
    if (what !== 'name') values += 1;
    if (what === 'comma' && values > maxValues) return { kind: 'values', path };
    if (what === 'name' && names.has(JSON.stringify(path))) return { kind: 'duplicate', path };
    if (what === 'name') names.add(JSON.stringify(path));
  }
  return undefined;
}

test('every JSON text is judged as its tree is', () => {
  fc.assert(
    fc.property(written, fc.constantFrom('', ' ', '\n\t'), (value, space) => {
      const text = textOf(value, space);
      JSON.parse(text);
      expect(jsonFault(text, BOUNDS)).toEqual(faultOf(value, BOUNDS));
    }),
    { numRuns: 3_000 },
  );
});

test('invalid JSON ends, whatever the result', () => {
  fc.assert(
    fc.property(
      fc.array(fc.constantFrom('{', '}', '[', ']', '"', '\\', ',', ':', 'a', '1'), { maxLength: 60 }),
      (parts) => {
        jsonFault(parts.join(''), BOUNDS);
      },
    ),
    { numRuns: 3_000 },
  );
});

describe('bounds', () => {
  const nested = (levels: number) => `${'['.repeat(levels)}${']'.repeat(levels)}`;
  test('may be reached but not exceeded', () => {
    expect(jsonFault(nested(4), BOUNDS)).toBeUndefined();
    expect(jsonFault(nested(5), BOUNDS)).toMatchObject({ kind: 'depth' });
    const values = (count: number) => JSON.stringify(Array.from({ length: count }, () => 1));
    expect(jsonFault(values(39), BOUNDS)).toBeUndefined();
    expect(jsonFault(values(40), BOUNDS)).toMatchObject({ kind: 'values' });
  });
});
