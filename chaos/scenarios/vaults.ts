import type { Fault } from '../../src/emulator/faults.ts';
import type { Scenario } from '../scenario.ts';

const at = 'troubled';
const COLD = 'troubled, cold';

function vaultScenario(name: string, trouble: string, fault: Omit<Fault, 'at'>, codes: readonly string[]): Scenario {
  return {
    name,
    trouble,
    seen: { [COLD]: codes },
    begin: ({ site }) => site.order('injectFault', { at, ...fault }),
    end: ({ site }) => site.order('clearFaults'),
  };
}

const unavailable = ['vault-unavailable'];
const throttled = ['vault-throttled'];
const json = { 'content-type': 'application/json' };
const SHORT = JSON.stringify({ kid: 'https://localhost/keys/cold/0123456789abcdef0123456789abcdef', value: 'AAAA' });
const CUT = SHORT.slice(0, 40);

const outage: Omit<Fault, 'at'> = { kind: 'hang' };

/** One customer's vault fails; its neighbours must not notice. */
export const VAULTS: readonly Scenario[] = [
  vaultScenario('vault hangs', 'takes requests and never answers', outage, unavailable),
  vaultScenario('vault resets', 'ends each connection without an answer', { kind: 'reset' }, unavailable),
  vaultScenario('vault: a web page', 'answers 200 with HTML', { kind: 'garbage' }, unavailable),
  vaultScenario(
    'vault: half an answer',
    'answers 200 with JSON cut off',
    { kind: 'garbage', headers: json, body: CUT },
    unavailable,
  ),
  vaultScenario(
    'vault: wrong lengths',
    'answers 200 with three bytes',
    { kind: 'garbage', headers: json, body: SHORT },
    unavailable,
  ),
  vaultScenario(
    'vault throttles',
    'answers 429 with Retry-After: 2',
    { kind: 'status', status: 429, headers: { 'retry-after': '2' } },
    throttled,
  ),
  vaultScenario('vault throttles, mute', 'answers 429 without Retry-After', { kind: 'status', status: 429 }, throttled),
  vaultScenario('vault fails', 'answers 500', { kind: 'status', status: 500 }, unavailable),
  {
    ...vaultScenario(
      'vault hangs for longer than the bound',
      'never answers; revocation bound 3 s',
      outage,
      unavailable,
    ),
    config: { revocation: { boundSeconds: 3 } },
    seen: { [COLD]: unavailable, troubled: unavailable },
  },
];
