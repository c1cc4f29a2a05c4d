/** Returns a tenant's record as an operator writes it; every id gets a vault of its own. */
export function record(
  change: Readonly<Record<string, unknown>> & { readonly id?: string } = {},
): Record<string, unknown> {
  const { id = 'contoso' } = change;
  const vaultUrl = `https://${id.toLowerCase().replace(/[^a-z0-9-]/g, '')}-kv.vault.azure.net`;
  return {
    id,
    entraTenantId: '3e7a90d5-18c4-4b6f-a2d7-94f05c61b8e3',
    keys: { data: { vaultUrl, name: 'data', use: 'data' } },
    defaultKey: 'data',
    ...change,
  };
}
