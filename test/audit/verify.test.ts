import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { hashLine } from '../../src/audit/chain/chain.ts';
import { verifyChain } from '../../src/audit/verify/verify.ts';
import { chainLines, linesOf } from '../support/chains.ts';

const CHAIN = '6f1c0f5e-6a52-4a53-9a86-0c5b3f1c7d10';
const OTHER = '0d3c8b1e-52cf-4f0c-8f7e-3a4f6f1b9c22';
const EVENTS = 8;
/** Line 1 is `open`, line 10 is `close`. */
const whole = chainLines(CHAIN, EVENTS);
const LAST = whole.length;

const verify = (lines: readonly string[]) => verifyChain(linesOf(lines.join('')));
const lineAt = (line: number): string => whole[line - 1] ?? '';
const withLine = (line: number, text: string): string[] => whole.with(line - 1, text);

/** Returns a line with changed members of one record; all else stays unchanged. */
const edited = (line: number, members: Record<string, unknown>): string =>
  `${JSON.stringify({ ...JSON.parse(lineAt(line)), ...members })}\n`;

/** Returns a chain forged from one line on: each later record has the right hash again. */
function rehashed(lines: readonly string[]): string[] {
  const forged: string[] = [];
  for (const line of lines) {
    const before = forged.at(-1);
    const record = JSON.parse(line);
    if (before !== undefined) record.previous = hashLine(before.slice(0, -1));
    forged.push(`${JSON.stringify(record)}\n`);
  }
  return forged;
}

test('a whole chain is valid', async () => {
  expect(await verify(whole)).toEqual({ chain: CHAIN, records: LAST, closed: true });
});

test('a chain without a close record is valid, but not closed', async () => {
  expect(await verify(whole.slice(0, -1))).toEqual({ chain: CHAIN, records: LAST - 1, closed: false });
});

test('a file without lines lacks the open record', async () => {
  expect(await verify([])).toEqual({ records: 0, closed: false, firstBad: { line: 1, problem: 'no-open' } });
});

test.each([
  ['a changed event', withLine(4, edited(4, { bytes: 999 })), { line: 4, sequence: 3, problem: 'changed' }],
  [
    'a changed open record',
    withLine(1, edited(1, { salt: 'x'.repeat(22) })),
    { line: 1, sequence: 0, problem: 'changed' },
  ],
  [
    'a changed hash',
    withLine(4, edited(4, { previous: 'x'.repeat(43) })),
    { line: 4, sequence: 3, problem: 'wrong-previous' },
  ],
  [
    'a change that only the close record gives away',
    withLine(LAST - 1, edited(LAST - 1, { bytes: 999 })),
    { line: LAST, sequence: LAST - 1, problem: 'wrong-previous' },
  ],
  ['a removed record', whole.toSpliced(3, 1), { line: 4, sequence: 4, problem: 'wrong-sequence' }],
  ['a removed open record', whole.slice(1), { line: 1, sequence: 1, problem: 'no-open' }],
  [
    'two records in the wrong order',
    whole.with(3, lineAt(5)).with(4, lineAt(4)),
    { line: 4, sequence: 4, problem: 'wrong-sequence' },
  ],
  ['a record twice', whole.toSpliced(4, 0, lineAt(4)), { line: 5, sequence: 3, problem: 'wrong-sequence' }],
  ['a cut line', withLine(LAST, lineAt(LAST).slice(0, 40)), { line: LAST, problem: 'torn' }],
  ['a last line without newline', withLine(LAST, lineAt(LAST).slice(0, -1)), { line: LAST, problem: 'torn' }],
  [
    'a record of another chain',
    withLine(4, chainLines(OTHER, EVENTS)[3] ?? ''),
    { line: 4, sequence: 3, problem: 'other-chain' },
  ],
  [
    'another chain appended',
    [...whole, ...chainLines(OTHER, 1)],
    { line: LAST + 1, sequence: 0, problem: 'other-chain' },
  ],
  [
    'a record after close',
    [...whole, edited(LAST, { sequence: LAST })],
    { line: LAST + 1, sequence: LAST, problem: 'after-close' },
  ],
  ['a line that is not JSON', withLine(4, 'x\n'), { line: 4, problem: 'not-json' }],
  ['an empty line', whole.toSpliced(3, 0, '\n'), { line: 4, problem: 'not-json' }],
  ['an unknown member', withLine(4, edited(4, { note: 'hi' })), { line: 4, problem: 'not-a-record' }],
  ['an unknown type', withLine(4, edited(4, { type: 'pause' })), { line: 4, problem: 'not-a-record' }],
  ['JSON that is no object', withLine(4, 'null\n'), { line: 4, problem: 'not-a-record' }],
  ['other white space', withLine(4, lineAt(4).replace(':', ': ')), { line: 4, sequence: 3, problem: 'not-canonical' }],
  [
    'a member twice',
    withLine(4, lineAt(4).replace('"bytes"', '"bytes":7,"bytes"')),
    { line: 4, sequence: 3, problem: 'not-canonical' },
  ],
  [
    'a carriage return',
    withLine(4, lineAt(4).replace('\n', '\r\n')),
    { line: 4, sequence: 3, problem: 'not-canonical' },
  ],
  [
    'a gap in a tenant’s records, hashes forged',
    rehashed(withLine(5, edited(5, { tenantSequence: 2 }))),
    { line: 5, sequence: 4, problem: 'wrong-tenant-sequence' },
  ],
  [
    'a tenant’s record without its sequence, hashes forged',
    rehashed(withLine(5, edited(5, { tenantSequence: undefined }))),
    { line: 5, sequence: 4, problem: 'wrong-tenant-sequence' },
  ],
])('%s is reported at its place', async (_name, lines, firstBad) => {
  const found = await verify(lines);
  expect(found.firstBad).toEqual(firstBad);
  expect(found.records).toBe(firstBad.line - 1);
});

describe('property: tampering', () => {
  const lineNumber = (from: number, to: number) => fc.integer({ min: from, max: to });
  const long = chainLines(CHAIN, 40);
  const foreign = chainLines(OTHER, 40);

  const firstBadOf = async (lines: readonly string[]) => (await verify(lines)).firstBad;

  test('any changed character before the last line is detected there, or in the next line if nothing confirms it', async () => {
    const character = fc.integer({ min: 0x20, max: 0x7e }).map((code) => String.fromCharCode(code));
    await fc.assert(
      fc.asyncProperty(lineNumber(1, long.length - 1), fc.nat(), character, async (line, place, replacement) => {
        const text = long[line - 1] ?? '';
        const at = place % (text.length - 1);
        fc.pre(text[at] !== replacement);
        const tampered = long.with(line - 1, text.slice(0, at) + replacement + text.slice(at + 1));
        const bad = await firstBadOf(tampered);
        // A changed chain id of the first line shows in the second; nothing else confirms the
        // record before close.
        const mayBeNext = line === 1 || line === long.length - 1;
        expect(mayBeNext ? [line, line + 1] : [line]).toContain(bad?.line);
      }),
      { numRuns: 500 },
    );
  });

  test('removed, repeated or moved lines are detected at the first line out of place', async () => {
    await fc.assert(
      fc.asyncProperty(lineNumber(2, long.length - 1), lineNumber(2, long.length - 1), async (from, to) => {
        const line = long[from - 1] ?? '';
        expect((await firstBadOf(long.toSpliced(from - 1, 1)))?.line).toBe(from);
        // If it is moved directly before itself, the line is valid and its second copy is not.
        const repeated = to === from - 1 ? to + 2 : to + 1;
        expect((await firstBadOf(long.toSpliced(to, 0, line)))?.line).toBe(repeated);
        if (from !== to) {
          const moved = long.toSpliced(from - 1, 1).toSpliced(to - 1, 0, line);
          expect((await firstBadOf(moved))?.line).toBe(Math.min(from, to));
        }
      }),
    );
  });

  test('spliced lines of another chain are detected at the first of them', async () => {
    await fc.assert(
      fc.asyncProperty(lineNumber(2, long.length), lineNumber(1, 5), async (line, count) => {
        const spliced = long.toSpliced(line - 1, count, ...foreign.slice(line - 1, line - 1 + count));
        expect(await firstBadOf(spliced)).toMatchObject({ line, problem: 'other-chain' });
      }),
    );
  });

  test("a cut within a line is detected, and one at a line's end leaves the chain without a close record", async () => {
    const text = long.join('');
    await fc.assert(
      fc.asyncProperty(lineNumber(1, text.length - 1), async (length) => {
        const { closed, firstBad } = await verifyChain(linesOf(text.slice(0, length)));
        const lines = text.slice(0, length).split('\n');
        expect(closed).toBe(false);
        expect(firstBad).toEqual(lines.at(-1) === '' ? undefined : { line: lines.length, problem: 'torn' });
      }),
    );
  });
});
