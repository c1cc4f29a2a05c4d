import type { Vendor } from '../../operations/onboarding/vendor.ts';
import { type Html, html } from './html.ts';

interface Page {
  readonly title: string;
  readonly vendor: Vendor;
  /** Absent on pages that belong to no link. */
  readonly customer?: {
    readonly name: string;
    /** The path of the link's page. */
    readonly path: string;
  };
}

/** Returns a whole page. It refers to no other address and has no inline script or style. */
export const layout = (page: Page, content: Html): string =>
  `<!doctype html>\n${
    html`<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="robots" content="noindex, nofollow">
<title>${page.title}</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="/onboarding/page.css">
${page.customer && html`<script src="/onboarding/page.js" defer></script>`}
</head>
<body>
<a class="skip" href="#content">Skip to the content</a>
${header(page)}
<main id="content">
${content}
</main>
</body>
</html>
`.text
  }`;

/** Returns the bar on top: whose page this is, for whom, and what it is. Names may be in any script. */
const header = ({ vendor: { vendorName }, customer }: Page): Html => html`<header class="top">
${vendorName === undefined ? html`<span class="brand">Vaultspan</span>` : html`<span class="brand" dir="auto" translate="no">${vendorName}</span>`}
${customer && html`<span class="vendor" dir="auto" translate="no">${customer.name}</span>`}
${customer && html`<a href="${customer.path}#about">About this page</a>`}
</header>`;
