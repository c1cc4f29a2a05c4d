import * as z from 'zod';
import { LINK_GRANTS } from '../../../tenants/onboarding-links.ts';
import { named, TenantParams } from '../fields.ts';
import { BODY_ERRORS, type Operation } from '../operation.ts';

const SHORTEST_SECONDS = 60;
const LONGEST_SECONDS = 90 * 86_400;

const time = z.string().meta({ format: 'date-time' });

const LinkRequest = named(
  'OnboardingLinkRequest',
  z.strictObject({
    expiresInSeconds: z
      .int32()
      .min(SHORTEST_SECONDS)
      .max(LONGEST_SECONDS)
      .exactOptional()
      .meta({ description: 'Default: 1,209,600, which is 14 days.' }),
    allow: z.array(z.enum(LINK_GRANTS)).max(LINK_GRANTS.length).exactOptional().meta({
      description:
        "What the page may read beside the onboarding: `records`, the tenant's audit records and receipts (the issuer needs `Audit.Read`); `branch-keys`, the export of its wrapped branch keys. Default: neither.",
    }),
  }),
);

const allow = z.array(z.string()).meta({ description: '`records`, `branch-keys`, both or neither.' });
const id = z.string().meta({
  description: 'Names the link in lists and in the audit (`link:ID`). It opens nothing.',
  example: 'Uo3yQW7mT1u2gk0bX5sZfA',
});

const IssuedLink = named(
  'IssuedOnboardingLink',
  z.object({
    id,
    url: z.string().meta({ description: 'Give it to the customer. It is shown only here; whoever has it may use it.' }),
    expiresAt: time,
    allow,
  }),
);

const LinkList = named(
  'OnboardingLinkList',
  z.object({
    links: z.array(
      named(
        'OnboardingLink',
        z.object({
          id,
          state: z.string().meta({ description: '`active`, `expired` or `revoked`.' }),
          allow,
          createdAt: time,
          createdBy: z.string(),
          expiresAt: time,
          revokedAt: time.optional(),
          usedAt: time.optional().meta({ description: 'The last use, to the minute.' }),
        }),
      ),
    ),
  }),
);

const LinkParams = TenantParams.extend({
  linkId: z
    .string()
    .regex(/^[\w-]{22}$/, 'must be the id of a link')
    .meta({ example: 'Uo3yQW7mT1u2gk0bX5sZfA' }),
});

const EXAMPLE = {
  id: 'Uo3yQW7mT1u2gk0bX5sZfA',
  expiresAt: '2026-12-11T08:00:00.000Z',
  allow: ['records'],
};
const ERRORS = ['tenant-not-found', 'link-not-found', 'registry-unavailable'] as const;

const FileParams = TenantParams.extend({
  format: z.enum(['portal', 'az', 'bicep', 'terraform', 'json']).meta({
    description: '`portal`: steps as text; `az`: a shell script; `bicep`; `terraform`; `json`.',
    example: 'az',
  }),
});

/** Links to the page on which a customer's administrator onboards. */
export const linkOperations = {
  issueOnboardingLink: {
    auditedAs: 'onboarding-link-issue',
    method: 'post',
    path: '/tenants/{tenantId}/onboarding-links',
    tag: 'Onboarding',
    summary: "Issue a link to the customer's page",
    description:
      "Its holder, without sign-in, reads this tenant's onboarding, runs its checks, rings its doorbell and starts a drill, until the link expires or is revoked. A link never allows calls on data.",
    role: 'Tenants.Manage',
    params: TenantParams,
    body: LinkRequest,
    bodyExample: { expiresInSeconds: 1_209_600, allow: ['records'] },
    response: IssuedLink,
    responseExample: { ...EXAMPLE, url: 'https://keys.vendor.example/onboarding/Uo3yQW7mT1u2gk0bX5sZfA….' },
    errors: [...BODY_ERRORS, ...ERRORS, 'too-many-links'],
  },
  getOnboardingFile: {
    auditedAs: 'tenant-onboarding',
    method: 'get',
    path: '/tenants/{tenantId}/onboarding/files/{format}',
    tag: 'Onboarding',
    summary: "Get the customer's tasks as a file",
    description:
      "The same tasks by the portal, the Azure CLI, Bicep or Terraform, with the tenant's real ids, the roles that the person needs, and the vendor's egress addresses.",
    role: 'Tenants.Read',
    params: FileParams,
    raw: 'text/plain; charset=utf-8',
    responseExample: '#!/usr/bin/env bash…',
    errors: ['malformed-request', 'tenant-not-found', 'registry-unavailable'],
  },
  listOnboardingLinks: {
    auditedAs: 'onboarding-link-list',
    method: 'get',
    path: '/tenants/{tenantId}/onboarding-links',
    tag: 'Onboarding',
    summary: 'List the onboarding links of a tenant',
    description: 'The newest first. At most 100 are kept. The URLs are not shown again.',
    role: 'Tenants.Read',
    params: TenantParams,
    response: LinkList,
    responseExample: {
      links: [
        {
          ...EXAMPLE,
          state: 'active',
          createdAt: '2026-11-27T08:00:00.000Z',
          createdBy: 'https://login.example/ operator',
        },
      ],
    },
    errors: ['malformed-request', 'tenant-not-found', 'registry-unavailable'],
  },
  revokeOnboardingLink: {
    auditedAs: 'onboarding-link-revoke',
    method: 'delete',
    path: '/tenants/{tenantId}/onboarding-links/{linkId}',
    tag: 'Onboarding',
    summary: 'Revoke an onboarding link',
    description: 'From the next request on the link opens nothing. Revoking it again changes nothing.',
    role: 'Tenants.Manage',
    params: LinkParams,
    errors: ['malformed-request', ...ERRORS],
  },
} as const satisfies Record<string, Operation>;
