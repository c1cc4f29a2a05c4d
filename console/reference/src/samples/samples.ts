import type { Operation } from '../contract.ts';
import { curlSample } from './curl.ts';
import { pythonSample } from './python.ts';
import { type Inputs, requestOf } from './request.ts';
import { typescriptSample } from './typescript.ts';

export const LANGUAGES = ['curl', 'TypeScript', 'Python'] as const;
export type Language = (typeof LANGUAGES)[number];

/** Returns the code that makes the call with these inputs. It reads the token from VAULTSPAN_TOKEN. */
export function sampleOf(language: Language, base: string, operation: Operation, inputs: Inputs): string {
  const request = requestOf(operation, inputs);
  switch (language) {
    case 'curl':
      return curlSample(base, request);
    case 'TypeScript':
      return typescriptSample(base, operation.id, inputs, request);
    case 'Python':
      return pythonSample(base, operation.id, inputs, request);
  }
}
