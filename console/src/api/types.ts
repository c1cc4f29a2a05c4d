import type { components } from '../../../clients/typescript/src/generated/api.ts';

type Schemas = components['schemas'];

export type AuditPage = Schemas['AuditPage'];
export type AuditRecord = Schemas['AuditRecord'];
export type CheckStep = Schemas['CheckStep'];
export type DecryptResult = Schemas['DecryptResult'];
export type DirectoryFacts = Schemas['DirectoryFacts'];
export type Drill = Schemas['Drill'];
export type DrillList = Schemas['DrillList'];
export type EncryptResult = Schemas['EncryptResult'];
export type IssuedOnboardingLink = Schemas['IssuedOnboardingLink'];
export type Onboarding = Schemas['Onboarding'];
export type OnboardingLinkList = Schemas['OnboardingLinkList'];
export type OnboardingLinkRequest = Schemas['OnboardingLinkRequest'];
export type Overview = Schemas['Overview'];
export type Problem = Schemas['Problem'];
export type ProblemFix = Schemas['ProblemFix'];
export type RewrapBranchKeysResult = Schemas['RewrapBranchKeysResult'];
export type Tenant = Schemas['Tenant'];
export type TenantCheck = Schemas['TenantCheck'];
export type TenantHistory = Schemas['TenantHistory'];
export type TenantKey = Schemas['TenantKey'];
export type TenantList = Schemas['TenantList'];
export type Usage = Schemas['Usage'];
export type UsagePage = Schemas['UsagePage'];
