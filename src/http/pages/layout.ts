import { type Html, html } from './html.ts';

/** Returns a whole page. It refers to no other address and has no inline script or style. */
export const layout = (title: string, content: Html, hasScript: boolean = false): string =>
  `<!doctype html>\n${
    html`<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="robots" content="noindex, nofollow">
<title>${title}</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="/onboarding/page.css">
${hasScript ? html`<script src="/onboarding/page.js" defer></script>` : undefined}
</head>
<body>
<a class="skip" href="#content">Skip to the content</a>
<main id="content">
${content}
</main>
</body>
</html>
`.text
  }`;
