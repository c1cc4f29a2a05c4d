/**
 * The colors, the type, the focus mark and the bar on top of every page: the customer's, the operator's console and
 * the API reference. They follow Fluent 2, which the Azure portal uses.
 */
export const THEME_CSS = `:root {
  color-scheme: light dark;
  --text: light-dark(#242424, #ffffff);
  --quiet: light-dark(#5c5c5c, #bdbdbd);
  --ground: light-dark(#fafafa, #1f1f1f);
  --surface: light-dark(#ffffff, #292929);
  --line: light-dark(#d1d1d1, #525252);
  --line-control: light-dark(#616161, #adadad);
  --brand: light-dark(#0f6cbd, #479ef5);
  --brand-hover: light-dark(#115ea3, #62abf5);
  --on-brand: light-dark(#ffffff, #0a2e4a);
  --hover: light-dark(#f0f0f0, #3d3d3d);
  --error: light-dark(#b10e1c, #ff9fa8);
  --error-ground: light-dark(#fdf3f4, #3b0509);
  --warning: light-dark(#8a3707, #ffd19e);
  --warning-ground: light-dark(#fff9f5, #411200);
  --success: light-dark(#0e700e, #9fd89f);
  --success-ground: light-dark(#f1faf1, #052505);
  --type: 'Segoe UI', 'Segoe UI Web (West European)', -apple-system, BlinkMacSystemFont, Roboto, 'Helvetica Neue', sans-serif;
  --mono: Consolas, 'Cascadia Mono', Menlo, 'DejaVu Sans Mono', monospace;
}
* { box-sizing: border-box; }
body { margin: 0; color: var(--text); background: var(--ground); }
a { color: var(--brand); }
code, pre { font-family: var(--mono); }
:focus-visible { outline: 2px solid var(--text); outline-offset: 1px; }
.skip { position: absolute; left: -999px; }
.skip:focus { left: 8px; top: 8px; padding: 4px 8px; background: var(--surface); z-index: 1; }
.top {
  display: flex; flex-wrap: wrap; gap: 4px 16px; align-items: center; padding: 8px 24px; overflow-wrap: anywhere;
  background: var(--surface); border-bottom: 1px solid var(--line); font: 14px/20px var(--type);
}
.top > * { min-width: 0; }
.brand { font-weight: 600; font-size: 16px; color: var(--text); text-decoration: none; }
.vendor { color: var(--quiet); }
@media (max-width: 480px) { .top { padding-left: 12px; padding-right: 12px; } }
`;
