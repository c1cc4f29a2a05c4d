import type { components } from '../../../clients/typescript/src/generated/api.ts';

type Schemas = components['schemas'];

export type Problem = Schemas['Problem'];
export type ProblemFix = Schemas['ProblemFix'];
export type TenantList = Schemas['TenantList'];
