import { VaultspanError } from './errors.ts';

/**
 * Returns a text of an answer.
 * @throws VaultspanError `unexpected-answer` where it has none: a caller would store `undefined` as a ciphertext
 */
export function textMember(answer: unknown, name: string): string {
  const value = member(answer, name);
  if (typeof value !== 'string') throw unexpectedAnswer(`the answer has no ${name}`);
  return value;
}

/**
 * Returns the texts of an answer's fields, exactly those that were sent.
 * @throws VaultspanError `unexpected-answer` where one is missing: it would stay in the record as it was, in plaintext
 */
export function fieldMembers(answer: unknown, names: Iterable<string>): Record<string, string> {
  const fields = member(answer, 'fields');
  const texts: [string, string][] = [];
  for (const name of names) {
    const value = typeof fields === 'object' && fields !== null && Object.hasOwn(fields, name) ? member(fields, name) : undefined;
    if (typeof value !== 'string') throw unexpectedAnswer('the answer lacks a field that was sent');
    texts.push([name, value]);
  }
  return Object.fromEntries(texts);
}

/**
 * Returns the items of a batch's answer, as many as were sent.
 * @throws VaultspanError `unexpected-answer`
 */
export function itemMembers(answer: unknown, sent: number): readonly unknown[] {
  const items = member(answer, 'items');
  if (!Array.isArray(items) || items.length !== sent) throw unexpectedAnswer('the answer has another number of items');
  return items;
}

export function unexpectedAnswer(what: string, status = 200, more: { isRetryable?: boolean; retryAfterMs?: number | undefined } = {}) {
  return new VaultspanError({
    code: 'unexpected-answer',
    status,
    message: `unexpected-answer: HTTP ${status}, and ${what}: is the url right, or a proxy in between?`,
    ...more,
  });
}

function member(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>)[name] : undefined;
}
