import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { type JsonBounds, type JsonFault, jsonFault } from '../../src/lib/json-fault.ts';

const BOUNDS: JsonBounds = { maxDepth: 4, maxValues: 40, maxMembers: 16 };

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

/** Returns the object of a step to its next member; undefined for a step within an array. */
const objectOf = (path: Path): string | undefined =>
  typeof path.at(-1) === 'string' ? JSON.stringify(path.slice(0, -1)) : undefined;

function faultOf(root: Written, { maxDepth, maxValues, maxMembers }: JsonBounds): JsonFault | undefined {
  let values = 1;
  const names = new Set<string>();
  const members = new Map<string, number>();
  const isFull = (object: string | undefined): boolean => {
    if (object === undefined) return false;
    members.set(object, (members.get(object) ?? 1) + 1);
    return (members.get(object) ?? 0) > maxMembers;
  };
  const faultAt = (what: Step[0], path: Path): JsonFault['kind'] | undefined => {
    if (what === 'name') return names.size === names.add(JSON.stringify(path)).size ? 'duplicate' : undefined;
    values += 1;
    if (what === 'open') return path.length === maxDepth ? 'depth' : undefined;
    if (values > maxValues) return 'values';
    return isFull(objectOf(path)) ? 'members' : undefined;
  };
  for (const [what, path] of stepsOf(root)) {
    const kind = faultAt(what, path);
    if (kind) return { kind, path };
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
    const members = (count: number) =>
      JSON.stringify(Object.fromEntries(Array.from({ length: count }, (_, at) => [at, 1])));
    expect(jsonFault(members(16), BOUNDS)).toBeUndefined();
    expect(jsonFault(members(17), BOUNDS)).toMatchObject({ kind: 'members' });
  });
});
