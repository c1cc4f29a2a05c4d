/** A person of the vendor's directory, with the roles that are assigned to it on the caller API. */
export interface Person {
  /** Its name in the sign-in page's addresses. */
  readonly key: string;
  readonly name: string;
  readonly username: string;
  readonly objectId: string;
  readonly roles: readonly string[];
  /** What the sign-in page says about it. */
  readonly note: string;
}

export const PEOPLE: readonly Person[] = [
  {
    key: 'operator',
    name: 'Olivia Operator',
    username: 'operator@home.onmicrosoft.com',
    objectId: '0d1f6c3e-84a2-4b57-9c0d-e1f2a3b4c501',
    roles: ['Tenants.Read', 'Tenants.Manage', 'Audit.Read', 'Data.Encrypt', 'Data.Decrypt'],
    note: 'may read and change everything',
  },
  {
    key: 'auditor',
    name: 'Arthur Auditor',
    username: 'auditor@home.onmicrosoft.com',
    objectId: '0d1f6c3e-84a2-4b57-9c0d-e1f2a3b4c502',
    roles: ['Tenants.Read', 'Audit.Read'],
    note: 'may read, and change nothing',
  },
  {
    key: 'nobody',
    name: 'Nora Nobody',
    username: 'nobody@home.onmicrosoft.com',
    objectId: '0d1f6c3e-84a2-4b57-9c0d-e1f2a3b4c503',
    roles: [],
    note: 'has no role',
  },
];

/** The delegated permission of the caller API. */
export const API_SCOPE = 'access_as_user';
