import fc from 'fast-check';
import { canonicalContext } from '../../src/format/encryption-context.ts';

const name = fc
  .string({ unit: 'binary', minLength: 1, maxLength: 64 })
  .filter((text) => text !== '__proto__' && !text.startsWith('vaultspan'));
const value = fc.string({ unit: 'binary', maxLength: 100 });

const isShort = (context: Record<string, string>): boolean => JSON.stringify(context).length < 1_300;

/** Any valid encryption context, the empty one too. */
export const contexts = fc
  .dictionary(name, value, { maxKeys: 64, noNullPrototype: true })
  .filter((context) => isShort(context) && (canonicalContext(context)?.length ?? 0) <= 4_096);
