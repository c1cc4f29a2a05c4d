import type { DrillStep, DrillVerdict } from '../../operations/drills/drill-report.ts';
import type { ShownDrill } from '../../operations/drills/drills.ts';
import { type Html, html } from './html.ts';

const NEXT: Readonly<Record<DrillStep, string>> = {
  starting: 'The drill begins: waiting for every process to decrypt its sample.',
  revoke: 'Every process decrypts. Now take access back in the way that you want to rehearse, and ring the doorbell.',
  'wait-for-refusals': 'A process was refused; waiting for the others, at most for the bound.',
  restore: 'Every process is refused. Now give access again.',
  'wait-for-access': 'Access is back; waiting for every process.',
  over: 'The drill is over.',
};
const VERDICTS: Readonly<Record<DrillVerdict, string>> = {
  held: 'The bound was held: no process used your key longer than promised after Azure refused it.',
  'not-held': 'The bound was not held: a process used your key longer than promised.',
  'not-shown': 'The drill does not show whether the bound holds, since not every process was refused.',
};

/** Returns the part of the page about a drill, which the script replaces each second. */
export function drillPart(path: string, { step, report, markdown, jws }: ShownDrill): Html {
  const isOver = step === 'over';
  const at = `${path}/drill/${report.drillId}`;
  return html`<section data-drill="${at}" data-over="${isOver ? 'yes' : 'no'}">
<p class="notice drill-step">${NEXT[step]}${isOver ? ` ${VERDICTS[report.verdict]}` : ''}</p>
<p>The promised bound is ${report.boundSeconds} s${report.longestUseSeconds === undefined ? '' : `; the longest use after Azure's first refusal was ${report.longestUseSeconds.toFixed(1)} s`}.</p>
<div class="table" tabindex="0" role="region" aria-label="Processes of the drill"><table>
<thead><tr><th>Process</th><th>Keys</th><th>Refused at</th><th>Access back at</th></tr></thead>
<tbody>${report.tracks.map(
    ({ process, mode, refusedAt, backAt }) =>
      html`<tr><td>${process.slice(0, 8)}</td><td>${mode}</td><td>${refusedAt ?? '–'}</td><td>${backAt ?? '–'}</td></tr>`,
  )}</tbody>
</table></div>
${isOver ? undefined : html`<form method="post" action="${at}/cancel"><button class="second">Cancel the drill</button></form>`}
${markdown === undefined ? undefined : html`<h3>Report</h3><pre tabindex="0">${markdown}</pre>`}
${jws === undefined ? undefined : html`<h3>Signed report</h3><pre tabindex="0">${jws}</pre>`}
</section>`;
}
