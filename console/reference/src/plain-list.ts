import { type Contract, operationsOf } from './contract.ts';

/** Returns the operations as HTML, for browsers without JavaScript. */
export function plainList(contract: Contract): string {
  const operations = operationsOf(contract);
  const parts = contract.tags.map(({ name, description }) => {
    const items = operations
      .filter(({ tag }) => tag === name)
      .map(
        ({ method, path, summary }) =>
          `<li><code>${escapeHtml(`${method} ${path}`)}</code> ${escapeHtml(summary)}</li>`,
      );
    return `<h2>${escapeHtml(name)}</h2><p>${escapeHtml(description)}</p><ul>${items.join('')}</ul>`;
  });
  return `<main><h1>Vaultspan API</h1><p>Without JavaScript this page lists the operations. Their parameters, bodies and answers are in the contract, <a href="openapi.yaml">openapi.yaml</a>.</p>${parts.join('')}</main>`;
}

const escapeHtml = (text: string): string =>
  text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;');
