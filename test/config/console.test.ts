import { expect, test } from '@jest/globals';
import { resolveConfig } from '../../src/config/resolved.ts';
import { ConfigSchema } from '../../src/config/schema.ts';

const DIRECTORY = '6f1d2c84-3b5e-4a97-9c10-57e8a4d3b621';
const AUTHORITY = `https://login.microsoftonline.com/${DIRECTORY}`;
const CONSOLE = { enabled: true, clientId: 'A7F0C3D2-6B14-4E89-9D35-81C2F4E6B709', authority: AUTHORITY };
const API = 'e85a3d17-4c69-4b02-b7f1-a9260c5d8e34';

const settings = (console?: object, issuer = `${AUTHORITY}/v2.0`, audience = [API]) => ({
  callers: [
    { issuer: 'https://other.example', audience: ['other'] },
    { issuer, audience },
  ],
  home: { tenantId: DIRECTORY, appId: API, vaultUrl: 'https://vendor.vault.azure.net' },
  ...(console && { console }),
});
const consoleOf = (...of: Parameters<typeof settings>) => resolveConfig(ConfigSchema.parse(settings(...of))).console;
const problemsOf = (...of: Parameters<typeof settings>) =>
  ConfigSchema.safeParse(settings(...of)).error?.issues.map(({ path, message }) => [path.join('.'), message]) ?? [];

test('the console is off unless it is turned on', () => {
  expect([consoleOf(), consoleOf({ ...CONSOLE, enabled: false }), consoleOf({})]).toEqual([
    undefined,
    undefined,
    undefined,
  ]);
});

test('the page gets the sign-in, and the scope of the API whose entry accepts its tokens', () => {
  expect(consoleOf(CONSOLE)).toEqual({
    clientId: CONSOLE.clientId.toLowerCase(),
    scope: 'access_as_user',
    signInOrigins: ['https://login.microsoftonline.com'],
    page: {
      clientId: CONSOLE.clientId.toLowerCase(),
      authority: AUTHORITY,
      knownAuthorities: ['login.microsoftonline.com'],
      scopes: [`api://${API}/access_as_user`],
    },
  });
  expect(consoleOf({ ...CONSOLE, authority: `${AUTHORITY}/` })?.page.authority).toBe(AUTHORITY);
  expect(consoleOf(CONSOLE, `https://sts.windows.net/${DIRECTORY}/`, [`api://${API}`])?.page.scopes).toEqual([
    `api://${API}/access_as_user`,
  ]);
});

test.each([
  ['no client', { ...CONSOLE, clientId: undefined }, 'console.clientId', 'is missing'],
  ['no authority', { ...CONSOLE, authority: undefined }, 'console.authority', 'is missing'],
  [
    'no directory',
    { ...CONSOLE, authority: 'https://login.microsoftonline.com/common' },
    'console.authority',
    'must be',
  ],
  ['plain HTTP', { ...CONSOLE, authority: AUTHORITY.replace('https', 'http') }, 'console.authority', 'must be'],
  ['no GUID', { ...CONSOLE, clientId: 'console' }, 'console.clientId', ''],
  [
    'a directory that is no issuer',
    { ...CONSOLE, authority: AUTHORITY.replace('6f', '7f') },
    'console.authority',
    'no entry of callers',
  ],
  ['an unknown member', { ...CONSOLE, secret: 'x' }, 'console', ''],
])('%s is a mistake that names the setting', (_what, console, path, text) => {
  const problems = problemsOf(console);
  expect(new Set(problems.map(([place]) => place))).toEqual(new Set([path]));
  expect(problems[0]?.[1]).toContain(text);
  expect(problems.filter(([, message]) => message?.includes('callers'))).toHaveLength(text.includes('callers') ? 1 : 0);
});
