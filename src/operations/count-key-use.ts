/** Counts one use of a key version, for the operator who asks whether it is still needed. */
export type CountKeyUse = (tenantId: string, keyId: string, use: 'sealed' | 'opened') => void;
