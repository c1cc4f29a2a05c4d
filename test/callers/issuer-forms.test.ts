import { describe, expect, test } from '@jest/globals';
import { formsOf, issuerProblem, overlaps } from '../../src/callers/issuer-forms.ts';

const ID = '11111111-2222-4333-8444-55555555abcd';
const V2 = `https://login.microsoftonline.com/${ID}/v2.0`;
const V1 = `https://sts.windows.net/${ID}/`;

describe('an issuer that no token can have', () => {
  test.each([
    [`${V2}/`, V2],
    [`https://login.microsoftonline.com/${ID.toUpperCase()}/v2.0`, V2],
    [`https://login.microsoftonline.com/${ID}`, V2],
    [`https://login.microsoftonline.com/${ID}/`, V2],
    [`https://login.windows.net/${ID}/v2.0`, V2],
    [`https://sts.windows.net/${ID}`, V1],
    [`https://sts.windows.net/${ID.toUpperCase()}/`, V1],
    [`https://sts.windows.net/${ID}/v2.0`, V2],
    [`https://login.microsoftonline.us/${ID}/v2.0/`, `https://login.microsoftonline.us/${ID}/v2.0`],
    [`https://sts.chinacloudapi.cn/${ID}`, `https://sts.chinacloudapi.cn/${ID}/`],
  ])('%s is reported with the right form', (issuer, right) => {
    expect(issuerProblem(issuer)).toBe(`tokens never have this iss: use ${right}`);
    expect(issuerProblem(right)).toBeUndefined();
  });

  test.each(['common', 'organizations', 'consumers', 'contoso.onmicrosoft.com'])('/%s/ names no directory', (name) => {
    expect(issuerProblem(`https://login.microsoftonline.com/${name}/v2.0`)).toMatch(
      `"${name}" is not the id of a directory`,
    );
  });

  test.each(['https://issuer.example/', 'https://issuer.example', 'https://127.0.0.1:8443/common/v2.0', V1, V2])(
    '%s is valid',
    (issuer) => {
      expect(issuerProblem(issuer)).toBeUndefined();
    },
  );
});

test.each([
  [V2, { [V1]: 'appid', [V2]: 'azp' }],
  [V1, { [V1]: 'appid', [V2]: 'azp' }],
  [
    `https://login.partner.microsoftonline.cn/${ID}/v2.0`,
    {
      [`https://sts.chinacloudapi.cn/${ID}/`]: 'appid',
      [`https://login.partner.microsoftonline.cn/${ID}/v2.0`]: 'azp',
    },
  ],
  [`https://${ID}.ciamlogin.com/${ID}/v2.0`, { [`https://${ID}.ciamlogin.com/${ID}/v2.0`]: 'azp' }],
  ['https://issuer.example/', { 'https://issuer.example/': 'sub' }],
])('%s accepts the forms of its directory, each with its own claim for the caller', (issuer, forms) => {
  expect(Object.fromEntries(formsOf({ issuer }).map((form) => [form.issuer, form.subjectClaim]))).toEqual(forms);
});

test('two entries overlap if they have an issuer in common, in either form', () => {
  const other = 'https://issuer.example/';
  const entries = (...issuers: string[]) => issuers.map((issuer) => ({ issuer }));
  expect(overlaps(entries(V2, other, V1))).toEqual([{ index: 2, earlier: 0 }]);
  expect(overlaps(entries(other, other, other))).toEqual([
    { index: 1, earlier: 0 },
    { index: 2, earlier: 0 },
  ]);
  expect(overlaps(entries(V2, other, 'https://issuer.example'))).toEqual([]);
});
