import type * as z from 'zod';

const KINDS: Readonly<Record<string, string>> = {
  string: 'text',
  number: 'a number',
  int: 'a whole number',
  boolean: 'true or false',
  array: 'a list',
  object: 'a section with settings',
  record: 'a section',
};
const FORMATS: Readonly<Record<string, string>> = { guid: 'a GUID', url: 'a URL', safeint: 'a whole number' };

/**
 * Returns the sentence for a setting that breaks a rule of the schema, if the schema has none of
 * its own.
 */
export function issueText(issue: z.core.$ZodRawIssue): string | undefined {
  const { code } = issue;
  if (code === 'invalid_type') {
    return issue.input === undefined ? 'is missing' : `must be ${KINDS[issue.expected] ?? issue.expected}`;
  }
  if (code === 'invalid_value') {
    return `must be ${issue.values.length > 1 ? 'one of ' : ''}${issue.values.map(String).join(', ')}`;
  }
  if (code === 'invalid_format') return `must be ${FORMATS[issue.format] ?? issue.format}`;
  if (code === 'too_small') {
    const isSized = issue.origin === 'string' || issue.origin === 'array';
    return isSized ? 'must not be empty' : `must be at least ${issue.minimum}`;
  }
  return code === 'too_big' ? `must be at most ${issue.maximum}` : undefined;
}
