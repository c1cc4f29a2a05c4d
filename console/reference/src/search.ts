import type { Operation } from './contract.ts';

/** Returns whether the operation has all words: in its id, path, texts, parameters or codes. */
export function matches(operation: Operation, query: string): boolean {
  const { id, method, path, tag, summary, description, parameters, answers } = operation;
  const text = [
    id,
    `${method} ${path}`,
    tag,
    summary,
    description,
    ...parameters.map(({ name }) => name),
    ...Object.entries(answers).map(([status, answer]) => `${status} ${answer.description}`),
  ]
    .join('\n')
    .toLowerCase();
  return query
    .toLowerCase()
    .split(/\s+/)
    .every((word) => text.includes(word));
}
