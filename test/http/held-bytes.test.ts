import { expect, test } from '@jest/globals';
import { HeldBytes } from '../../src/http/admission/held-bytes.ts';

const refuse = (reason: string) => new Error(reason);

test('the bytes of a body that is released leave room for others', () => {
  const held = new HeldBytes(100, refuse);
  const body = held.open('busy', 90);
  body.add(90);
  expect(() => held.open('other', 90)).toThrow('bytes');
  body.release();
  expect(() => held.open('other', 90)).not.toThrow();
});

test('bytes of a body that was released already count no more', () => {
  const held = new HeldBytes(100, refuse);
  const body = held.open('busy', 90);
  body.release();
  body.add(90);
  body.slow();
  expect(() => held.open('other', 90)).not.toThrow();
});
