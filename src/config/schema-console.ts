import * as z from 'zod';
import { formsOf } from '../callers/issuer-forms.ts';
import { guid, httpsUrl, section } from './schema-kinds.ts';

const AUTHORITY = /^https:\/\/[^/]+\/[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/** Returns whether the URL is a sign-in host with the id of a directory. */
export const isAuthority = (url: string): boolean => AUTHORITY.test(url);

/** The operator's console. */
export const Console = section({
  enabled: z
    .boolean()
    .default(false)
    .describe("Serve the [operator's console](operating.md#the-console) at `/console`. People sign in with Entra."),
  clientId: guid.optional().describe("Application (client) id of the console's own registration, a single-page app."),
  authority: httpsUrl
    .refine(isAuthority, {
      error: "must be the sign-in URL with the id of the vendor's directory: https://login.microsoftonline.com/ID",
    })
    .optional()
    .describe(
      "Sign-in URL with the id of the vendor's directory: `https://login.microsoftonline.com/ID`. `callers` needs an entry for its tokens.",
    ),
})
  .refine(({ enabled, clientId }) => !enabled || clientId !== undefined, {
    path: ['clientId'],
    message: 'is missing: register the console as a single-page app (docs/operating.md)',
  })
  .refine(({ enabled, authority }) => !enabled || authority !== undefined, {
    path: ['authority'],
    message: 'is missing: https://login.microsoftonline.com/ and the id of your directory',
  });

type Callers = readonly { readonly issuer: string; readonly audience: readonly string[] }[];

/** Returns the first audience of the entry of `callers` that accepts the tokens of an authority. */
export const audienceFor = (callers: Callers, authority: string): string | undefined =>
  callers.find((entry) => formsOf(entry).some(({ issuer }) => issuer === `${authority}/v2.0`))?.audience[0];
