import type { CallerIssuer, SubjectClaim } from './caller-issuer.ts';

/**
 * The hosts of one cloud that sign a directory's tokens: v1 and v2 differ in the host and in the
 * path.
 */
interface Cloud {
  readonly v1: string;
  readonly v2: string;
}
/**
 * Microsoft's own documents give the v1 issuer of the public cloud to the US government's cloud
 * too.
 */
const CLOUDS: readonly Cloud[] = [
  { v1: 'sts.windows.net', v2: 'login.microsoftonline.com' },
  { v1: 'sts.windows.net', v2: 'login.microsoftonline.us' },
  { v1: 'sts.chinacloudapi.cn', v2: 'login.partner.microsoftonline.cn' },
];
/** Other names of the sign-in hosts. No token has them as its issuer. */
const OTHER_NAMES: Readonly<Record<string, string>> = {
  'login.windows.net': 'login.microsoftonline.com',
  'login.microsoft.com': 'login.microsoftonline.com',
  'login.chinacloudapi.cn': 'login.partner.microsoftonline.cn',
};
const GUID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;
const V2_FORM = /\/[0-9a-f-]{36}\/v2\.0$/;

/** One `iss` that an entry accepts, with the claim that identifies the caller in such tokens. */
export interface IssuerForm {
  readonly issuer: string;
  readonly subjectClaim: SubjectClaim;
  /** Whether Entra is the issuer, whose tokens may name a person. */
  readonly isEntra: boolean;
}

/**
 * Returns each `iss` that the entry accepts. Entra signs v1 and v2 tokens of a directory with the
 * same keys.
 */
export function formsOf({ issuer, subjectClaim }: Pick<CallerIssuer, 'issuer' | 'subjectClaim'>): IssuerForm[] {
  const { host, directory } = partsOf(issuer);
  const cloud = CLOUDS.find(({ v1, v2 }) => host === v1 || host === v2);
  const issuers = cloud && GUID.test(directory) ? [v1Form(cloud, directory), v2Form(cloud, directory)] : [];
  const all = new Set([issuer, ...issuers]);
  return [...all].map((form) => {
    const usual = defaultClaim(form);
    return { issuer: form, subjectClaim: subjectClaim ?? usual, isEntra: usual !== 'sub' };
  });
}

/**
 * Returns the reason that no token can have this `iss`, and the right form; undefined if it is
 * correct.
 */
export function issuerProblem(issuer: string): string | undefined {
  const { host, directory, rest } = partsOf(issuer);
  const name = OTHER_NAMES[host] ?? host;
  const cloud = CLOUDS.find(({ v1, v2 }) => name === v1 || name === v2);
  if (!cloud) return undefined;
  const id = directory.toLowerCase();
  if (!GUID.test(id)) {
    return `"${directory}" is not the id of a directory: a token's iss contains the id, as in ${v2Form(cloud, '<directory id>')}`;
  }
  const right = name === cloud.v1 && !rest.startsWith('v2.0') ? v1Form(cloud, id) : v2Form(cloud, id);
  return issuer === right ? undefined : `tokens never have this iss: use ${right}`;
}

/**
 * Returns the entries that accept an `iss` which an earlier entry accepts too: their order must not
 * decide which of the two applies.
 */
export function overlaps(issuers: readonly Pick<CallerIssuer, 'issuer'>[]): { index: number; earlier: number }[] {
  const owners = new Map<string, number>();
  const found = new Map<number, number>();
  for (const [index, entry] of issuers.entries()) {
    for (const { issuer } of formsOf(entry)) {
      const earlier = owners.getOrInsert(issuer, index);
      if (earlier !== index) found.set(index, earlier);
    }
  }
  return [...found].map(([index, earlier]) => ({ index, earlier }));
}

const v1Form = ({ v1 }: Cloud, directory: string): string => `https://${v1}/${directory}/`;
const v2Form = ({ v2 }: Cloud, directory: string): string => `https://${v2}/${directory}/v2.0`;

/**
 * Returns the default claim. Entra names the calling application in `azp` (v2) or `appid` (v1); RFC
 * 9068 §2.2 requires `sub` from others.
 */
function defaultClaim(issuer: string): SubjectClaim {
  if (V2_FORM.test(issuer)) return 'azp';
  return CLOUDS.some(({ v1 }) => partsOf(issuer).host === v1) ? 'appid' : 'sub';
}

function partsOf(issuer: string): { readonly host: string; readonly directory: string; readonly rest: string } {
  const url = URL.parse(issuer);
  const [, directory = '', ...rest] = url?.pathname.split('/') ?? [];
  return { host: url?.host ?? '', directory, rest: rest.join('/') };
}
