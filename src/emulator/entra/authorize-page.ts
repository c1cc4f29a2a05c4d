import { randomBytes } from 'node:crypto';
import type { Reply } from '../reply.ts';
import { PEOPLE } from './people.ts';

const STYLE = `
:root { color-scheme: light dark; font: 1rem/1.5 system-ui, sans-serif; }
body { max-width: 32rem; margin: 3rem auto; padding: 0 1rem; }
ul { list-style: none; padding: 0; }
li { margin: 0.75rem 0; }
`;

/** Returns a page that offers to sign in as each person, or to cancel. */
export function peoplePage(addressOf: (choice: string) => string): Reply {
  const choices = PEOPLE.map(
    ({ key, name, note }) =>
      `<li><a id="${key}" href="${escaped(addressOf(key))}">Sign in as ${key}</a>: ${escaped(name)}, ${escaped(note)}</li>`,
  );
  return page(
    200,
    'Emulated sign-in',
    `<p>This is the emulated Entra ID of <code>vaultspan dev</code>. Choose who you are; no password is needed.</p>
<ul>${choices.join('')}<li><a id="cancel" href="${escaped(addressOf('cancel'))}">Cancel</a></li></ul>`,
  );
}

/** Returns a page that offers to add the vendor's app to a directory, as different people. */
export const consentChoices = (directory: string, addressOf: (choice: string) => string): Reply =>
  page(
    200,
    'Emulated consent',
    `<p>This is the emulated Entra ID of <code>vaultspan dev</code>. The vendor's app asks to be added to the directory ${escaped(directory)}.</p>
<ul><li><a id="accept" href="${escaped(addressOf('accept'))}">Accept, as an administrator</a></li>
<li><a id="user" href="${escaped(addressOf('user'))}">Accept, as a user without that role</a></li>
<li><a id="cancel" href="${escaped(addressOf('cancel'))}">Cancel</a></li></ul>`,
  );

/** Returns a page with a refusal that must not be sent to an unknown address. */
export const refusalPage = (message: string): Reply => page(400, 'Sign-in refused', `<p>${escaped(message)}</p>`);

export const signedOutPage = (): Reply => page(200, 'Signed out', '<p>You have signed out.</p>');

function page(status: number, title: string, content: string): Reply {
  const nonce = randomBytes(16).toString('base64');
  return {
    status,
    headers: {
      'content-type': 'text/html; charset=utf-8',
      'content-security-policy': `default-src 'none'; style-src 'nonce-${nonce}'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'`,
      'x-frame-options': 'DENY',
      'x-content-type-options': 'nosniff',
      'referrer-policy': 'no-referrer',
    },
    body: `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>${title}</title>
<link rel="icon" href="data:,"><style nonce="${nonce}">${STYLE}</style></head>
<body><main><h1>${title}</h1>${content}</main></body></html>
`,
  };
}

const ENTITIES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

const escaped = (text: string): string => text.replace(/[&<>"']/g, (character) => ENTITIES[character] ?? '');
