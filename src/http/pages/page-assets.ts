import { THEME_CSS } from './theme.ts';

/** The style of the customer's pages: light and dark, from 320 px, printable. */
export const PAGE_CSS = `${THEME_CSS}body { font: 1rem/1.55 var(--type); }
main { max-width: 50rem; margin: 0 auto; padding: 1rem; overflow-wrap: anywhere; }
h1 { font-size: 1.6rem; line-height: 1.25; }
h2 { font-size: 1.25rem; margin-top: 2.5rem; border-top: 1px solid var(--line); padding-top: 1rem; }
h3 { font-size: 1.05rem; }
pre { background: var(--surface); border: 1px solid var(--line); padding: 0.75rem; overflow-x: auto; white-space: pre-wrap; }
code, pre { font-size: 0.875rem; }
table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; vertical-align: top; padding: 0.35rem 0.5rem; border-bottom: 1px solid var(--line); }
button, .button {
  display: inline-block; font: inherit; padding: 0.5rem 1rem; border: 1px solid var(--brand); border-radius: 4px;
  background: var(--brand); color: var(--on-brand); text-decoration: none; cursor: pointer; margin: 0.25rem 0.5rem 0.25rem 0;
}
button.second, .button.second { background: transparent; color: var(--brand); }
button[disabled] { opacity: 0.6; cursor: default; }
.copy { font-size: 0.875rem; padding: 0.2rem 0.6rem; }
.notice { border-left: 4px solid var(--brand); background: var(--surface); padding: 0.5rem 1rem; }
.notice.bad { border-color: var(--error); }
.notice.good { border-color: var(--success); }
.quiet { color: var(--quiet); }
ol.steps { list-style: none; padding: 0; }
ol.steps > li { border-left: 4px solid var(--line-control); padding: 0.25rem 0.75rem; margin: 0.5rem 0; }
ol.steps > li.passed { border-color: var(--success); }
ol.steps > li.failed { border-color: var(--error); }
.passed .state { color: var(--success); }
.failed .state { color: var(--error); }
.state { font-weight: 600; }
nav ol { padding-left: 1.25rem; }
@media print {
  nav, form, button, .button, .skip { display: none; }
  pre { white-space: pre-wrap; }
  main { max-width: none; }
}
`;

/**
 * The script of the customer's page. It shows the steps of a check as they come, follows a drill and
 * copies commands; every form works without it. The service renders all content; the script only
 * puts it in place.
 */
export const PAGE_SCRIPT = `'use strict';
const place = (selector) => document.querySelector(selector);
const nodes = (text) => [...new DOMParser().parseFromString(text, 'text/html').body.childNodes];
const say = (text) => { const live = place('#live'); if (live) live.textContent = text; };

async function post(form, accept) {
  const answer = await fetch(form.action, { method: 'POST', headers: { Accept: accept }, redirect: 'error' });
  if (!answer.ok) {
    const page = new DOMParser().parseFromString(await answer.text(), 'text/html');
    throw new Error(page.querySelector('main')?.textContent?.trim() || 'The service answered ' + answer.status);
  }
  return answer;
}

async function eachLine(answer, use) {
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = '';
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    const lines = (rest + value).split('\\n');
    rest = lines.pop();
    for (const line of lines) use(JSON.parse(line));
  }
}

function onSubmit(name, work) {
  const form = place('form[data-live="' + name + '"]');
  form?.addEventListener('submit', async (event) => {
    event.preventDefault();
    const button = form.querySelector('button');
    button.disabled = true;
    try { await work(form); } catch (error) { say(error.message); } finally { button.disabled = false; }
  });
}

onSubmit('check', async (form) => {
  const list = place('#check-steps');
  list.replaceChildren();
  place('#check-result').replaceChildren();
  say('Checking…');
  await eachLine(await post(form, 'application/x-ndjson'), ({ step, result }) => {
    if (step !== undefined) list.append(...nodes(step));
    if (result !== undefined) { place('#check-result').replaceChildren(...nodes(result)); say(place('#check-result').textContent); }
  });
  addCopies();
});

onSubmit('bell', async (form) => {
  await post(form, 'text/html');
  say('The bell rang. Every process asks your vault before it uses a key again.');
});

async function follow() {
  const drill = place('[data-drill]');
  if (!drill) return;
  for (;;) {
    await new Promise((resolve) => setTimeout(resolve, 1000));
    const answer = await fetch(drill.dataset.drill, { headers: { Accept: 'text/html' } });
    if (!answer.ok) { say('The drill cannot be read: ' + answer.status); return; }
    const fresh = new DOMParser().parseFromString(await answer.text(), 'text/html').querySelector('[data-drill]');
    drill.replaceChildren(...fresh.childNodes);
    const step = drill.querySelector('.drill-step')?.textContent ?? '';
    if (place('#live').textContent !== step) say(step);
    if (fresh.dataset.over === 'yes') { addCopies(); return; }
  }
}

function addCopies() {
  for (const block of document.querySelectorAll('pre:not([data-copy])')) {
    block.dataset.copy = '';
    const button = document.createElement('button');
    button.type = 'button';
    button.className = 'second copy';
    button.textContent = 'Copy';
    button.addEventListener('click', async () => {
      await navigator.clipboard.writeText(block.textContent);
      say('Copied');
    });
    block.after(button);
  }
}

addCopies();
follow();
`;
