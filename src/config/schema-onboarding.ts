import { isIP } from 'node:net';
import * as z from 'zod';
import { section } from './schema-kinds.ts';

const LONGEST_NAME = 200;
/** Control characters could end a comment in a generated file. */
const line = z
  .string()
  .min(1)
  .max(LONGEST_NAME)
  .regex(/^[^\p{C}\p{Zl}\p{Zp}]+$/u, 'must be one line of printable text');

const contact = line.refine((text) => /^(?:https:\/\/\S+|[^\s@]+@[^\s@]+)$/.test(text), {
  error: 'must be an https URL or an e-mail address',
});

/** Returns whether the text is an IP address, or a range of them such as 203.0.113.0/28. */
function isAddressRange(text: string): boolean {
  const [address = '', bits, ...more] = text.split('/');
  const version = isIP(address);
  if (version === 0 || more.length > 0) return false;
  return bits === undefined || (/^\d{1,3}$/.test(bits) && Number(bits) <= (version === 4 ? 32 : 128));
}

/** Returns whether the URL is an origin with https, or one on this machine. */
function isOrigin(text: string): boolean {
  const url = URL.parse(text);
  if (url === null || url.origin !== text.replace(/\/$/, '')) return false;
  return url.protocol === 'https:' || (url.protocol === 'http:' && ['127.0.0.1', 'localhost'].includes(url.hostname));
}

/** The pages of customers' administrators. */
export const Onboarding = section({
  url: z
    .string()
    .refine(isOrigin, { error: 'must be an https URL without a path, such as https://keys.vendor.example' })
    .transform((text) => text.replace(/\/$/, ''))
    .optional()
    .describe(
      'Public address of this service, such as `https://keys.vendor.example`. Turns the [pages of customers](operating.md#the-customers-page) on, whose links begin with it; run `vaultspan init` before. Register `URL/onboarding/consent` as a redirect URI of the app (platform Web).',
    ),
  vendorName: line.optional().describe("The vendor's name, as the customers know it."),
  vendorContact: contact
    .optional()
    .describe('An e-mail address or an https URL where customers get help with the onboarding.'),
  egressAddresses: z
    .array(z.string().refine(isAddressRange, { error: 'must be an IP address or a range such as 203.0.113.0/28' }))
    .max(50)
    .default([])
    .describe("Addresses that this deployment calls the customers' vaults from, for their firewalls."),
});
