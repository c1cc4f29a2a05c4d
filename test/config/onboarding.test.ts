import { expect, test } from '@jest/globals';
import { Onboarding } from '../../src/config/schema-onboarding.ts';

const isAllowed = (settings: object) => Onboarding.safeParse(settings).success;

test.each([
  'https://keys.vendor.example',
  'https://keys.vendor.example/',
  'https://keys.vendor.example:8443',
  'http://127.0.0.1:8080',
])('%s is an address of pages', (url) => {
  expect(Onboarding.parse({ url }).url).toBe(url.replace(/\/$/, ''));
});

test.each([
  'http://keys.vendor.example',
  'https://keys.vendor.example/base',
  'https://user:secret@keys.vendor.example',
  'https://keys.vendor.example?x=1',
  'javascript:alert(1)',
  'keys.vendor.example',
])('%s is none', (url) => {
  expect(isAllowed({ url })).toBe(false);
});

test.each(['help@vendor.example', 'https://vendor.example/help'])('%s is a contact', (vendorContact) => {
  expect(isAllowed({ vendorContact })).toBe(true);
});

test.each(['javascript:alert(1)', 'http://vendor.example', 'the help desk', ''])('%j is none', (vendorContact) => {
  expect(isAllowed({ vendorContact })).toBe(false);
});

test('a name is one line of at most 200 characters', () => {
  expect(isAllowed({ vendorName: `<script>${'x'.repeat(192)}` })).toBe(true);
  expect(isAllowed({ vendorName: 'x'.repeat(201) })).toBe(false);
  expect(isAllowed({ vendorName: 'Vendor\nrm -rf' })).toBe(false);
  expect(isAllowed({ vendorName: 'Vendor\u2028' })).toBe(false);
  expect(isAllowed({ vendorName: 'Vendor\u202e' })).toBe(false);
});

test.each(['203.0.113.7', '203.0.113.0/28', '2001:db8::1', '2001:db8::/48'])('%s is an egress address', (address) => {
  expect(isAllowed({ egressAddresses: [address] })).toBe(true);
});

test.each(['203.0.113.7/33', '203.0.113.0/', '203.0.113.0/28/1', 'vendor.example', "'; rm -rf /"])(
  '%j is none',
  (address) => {
    expect(isAllowed({ egressAddresses: [address] })).toBe(false);
  },
);
