import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { PATIENT } from './data-rows.ts';
import type * as Product from './product.ts';

/**
 * Starts the service of a checkout, whose packages must be installed. Each has an emulated Azure of
 * its own, since formats of configurations differ.
 */
export async function openCheckout(checkout: string) {
  const url = pathToFileURL(resolve(checkout, 'bench', 'product.ts')).href;
  const { openBenchSite } = (await import(url)) as typeof Product;
  const site = await openBenchSite();
  // An older checkout may not know the setting.
  const server = await site.startProduct(PATIENT).catch(() => site.startProduct());
  return { site, token: site.token, server };
}
