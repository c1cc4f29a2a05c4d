import { X509Certificate } from 'node:crypto';
import { decodeJwt, decodeProtectedHeader, type JWTPayload, errors as joseErrors, jwtVerify } from 'jose';
import { type Cloud, epochSeconds } from '../cloud.ts';
import type { AppState } from '../state.ts';
import { type CredentialKind, claimsOf, type TokenSigner } from './access-tokens.ts';
import { EntraRefusal } from './entra-refusal.ts';

const ASSERTION_TYPE = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer';
// Entra allows clocks to differ by five minutes.
const CLOCK_SKEW_SECONDS = 300;

export interface ClientProof {
  readonly form: URLSearchParams;
  readonly app: AppState;
  /** The audiences that an assertion signed with the client's own certificate may name. */
  readonly audiences: readonly string[];
}

/**
 * Checks that the client is the app that it claims to be.
 * @throws the refusal that Entra would answer
 */
export async function authenticateClient(
  cloud: Cloud,
  signer: TokenSigner,
  proof: ClientProof,
): Promise<CredentialKind> {
  const secret = proof.form.get('client_secret');
  const assertion = proof.form.get('client_assertion');
  if (assertion !== null) {
    if (proof.form.get('client_assertion_type') !== ASSERTION_TYPE) throw new EntraRefusal(7000218);
    await checkAssertion(cloud, signer, proof, assertion);
    return '2';
  }
  if (secret === null || secret === '') throw new EntraRefusal(7000216);
  checkSecret(cloud, proof.app, secret);
  return '1';
}

function checkSecret(cloud: Cloud, app: AppState, secret: string): void {
  const known = app.secrets.find(({ value }) => value === secret);
  if (known === undefined) throw new EntraRefusal(7000215, app.appId);
  if (known.expiresMs <= cloud.now()) throw new EntraRefusal(7000222, app.appId);
}

async function checkAssertion(cloud: Cloud, signer: TokenSigner, proof: ClientProof, assertion: string): Promise<void> {
  const claims = decoded(assertion);
  const issuer = claims.iss ?? '';
  if (issuer.startsWith('https://')) return checkFederated(cloud, signer, proof.app, assertion);
  if (issuer !== proof.app.appId || claims.sub !== issuer) throw new EntraRefusal(700021, issuer);
  await checkSelfIssued(cloud, proof, assertion);
}

function decoded(assertion: string): JWTPayload {
  try {
    return decodeJwt(assertion);
  } catch {
    throw new EntraRefusal(50027, 'it is not a signed JWT');
  }
}

async function checkSelfIssued(cloud: Cloud, proof: ClientProof, assertion: string): Promise<void> {
  const certificate = registeredCertificate(proof.app, assertion);
  if (certificate.validToDate.getTime() <= cloud.now()) throw new EntraRefusal(700027, 'the key used is expired');
  try {
    const { payload } = await jwtVerify(assertion, certificate.publicKey, {
      algorithms: ['RS256', 'PS256'],
      audience: [...proof.audiences],
      currentDate: new Date(cloud.now()),
      clockTolerance: CLOCK_SKEW_SECONDS,
      requiredClaims: ['exp', 'nbf', 'jti'],
    });
    if (payload.jti === '') throw new EntraRefusal(50027, "the claim 'jti' is empty");
  } catch (error) {
    throw assertionRefusal(error);
  }
}

function assertionRefusal(error: unknown): unknown {
  if (error instanceof joseErrors.JWSSignatureVerificationFailed) {
    return new EntraRefusal(700027, 'the signature is wrong');
  }
  if (error instanceof joseErrors.JOSEAlgNotAllowed) return new EntraRefusal(700027, 'the algorithm is not accepted');
  if (error instanceof joseErrors.JWTExpired) return new EntraRefusal(700024, 'it has expired');
  if (error instanceof joseErrors.JWTClaimValidationFailed) return claimRefusal(error);
  return error;
}

function claimRefusal(error: joseErrors.JWTClaimValidationFailed): EntraRefusal {
  if (error.reason === 'missing') return new EntraRefusal(50027, `the claim '${error.claim}' is missing`);
  if (error.claim === 'nbf') return new EntraRefusal(700024, 'it is not valid yet');
  if (error.claim === 'aud') return new EntraRefusal(700023, JSON.stringify(error.payload.aud));
  return new EntraRefusal(50027, `the claim '${error.claim}' is wrong`);
}

/**
 * Returns the registered certificate whose thumbprint the header names: SHA-1 in `x5t`, SHA-256 in
 * `x5t#S256`.
 */
function registeredCertificate(app: AppState, assertion: string): X509Certificate {
  const header = decodeProtectedHeader(assertion);
  const named = { sha1: header.x5t, sha256: header['x5t#S256'] };
  for (const { certPem } of app.certificates) {
    const certificate = new X509Certificate(certPem);
    if (named.sha256 === base64url(certificate.fingerprint256) || named.sha1 === base64url(certificate.fingerprint)) {
      return certificate;
    }
  }
  throw new EntraRefusal(700027, 'no registered certificate has its thumbprint');
}

const base64url = (fingerprint: string): string =>
  Buffer.from(fingerprint.replaceAll(':', ''), 'hex').toString('base64url');

/** Checks an assertion that the home tenant issued to a managed identity. */
async function checkFederated(cloud: Cloud, signer: TokenSigner, app: AppState, assertion: string): Promise<void> {
  const unverified = decoded(assertion);
  const ofIssuer = app.federatedCredentials.filter(
    ({ issuer }) => issuer.replace('{authority}', cloud.authorityHost()) === unverified.iss,
  );
  if (ofIssuer.length === 0) throw new EntraRefusal(700211, unverified.iss);
  const claims = await claimsOf(signer, assertion);
  if (claims === undefined) throw new EntraRefusal(700027, 'the issuer has no such key');
  checkTime(cloud, claims);
  const ofSubject = ofIssuer.filter(({ subject }) => subject === claims.sub);
  if (ofSubject.length === 0) throw new EntraRefusal(700213, claims.sub);
  if (!ofSubject.some(({ audience }) => audience === claims.aud)) {
    throw new EntraRefusal(700212, JSON.stringify(claims.aud));
  }
}

function checkTime(cloud: Cloud, claims: JWTPayload): void {
  const now = epochSeconds(cloud);
  if ((claims.exp ?? 0) <= now - CLOCK_SKEW_SECONDS) throw new EntraRefusal(700024, 'it has expired');
  if ((claims.nbf ?? 0) > now + CLOCK_SKEW_SECONDS) throw new EntraRefusal(700024, 'it is not valid yet');
}
