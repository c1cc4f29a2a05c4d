import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { BOUND, CMK_V1, CMK_V2, codeOf, Deployment, HSM_KEY, settle, tenantRecord } from '../support/deployment.ts';
import { refusal } from '../support/jwk-key-wrapper.ts';

/**
 * A model of access beside the real keyring. Branches move between key versions while the customer
 * revokes and grants them. A request may be answered only by a version that the branch had, and the
 * vault allowed, within the bound. It may be refused only if the branch's version is, or was until
 * the last probe.
 */
const KIDS = [CMK_V1, CMK_V2, HSM_KEY];
/** After a refusal the vault is asked again this many seconds later. */
const PROBE = 10;
const DAY = 86_400;

/** Values over time: the last one holds until now. */
class History<T> {
  readonly #entries: { readonly at: number; readonly value: T }[] = [];

  set(at: number, value: T): void {
    this.#entries.push({ at, value });
  }

  /** Returns the values that held at some time from `from` on. */
  since(from: number): readonly T[] {
    const before = this.#entries.findLastIndex(({ at }) => at < from);
    return this.#entries.slice(Math.max(before, 0)).map(({ value }) => value);
  }
}

const { keys } = tenantRecord();
const cmk = { ...(keys['cmk'] as (typeof keys)[string]), form: 'compact' as const };
const hsm = keys['hsm'] as (typeof keys)[string];
const TENANT = tenantRecord({ keys: { cmk, hsm } });

/** A deployment of three processes with three days of messages, and the model of it. */
async function modelled() {
  const deployment = new Deployment();
  deployment.register(TENANT);
  deployment.branchSettings = { ...deployment.branchSettings, settleMs: 0 };
  const keyring = deployment.withKeyring();
  const processes = [deployment.start(), deployment.start(), deployment.start()] as const;
  const messages: { readonly text: string; readonly branchId: string }[] = [];
  for (let day = 0; day < 3; day += 1) {
    const text = await processes[0].encrypt();
    messages.push({ text, branchId: branchOf(text) });
    deployment.clock.advance(DAY);
    await processes[0].encrypt();
    await settle();
  }
  const now = () => deployment.clock.monotonicMs() / 1_000;
  const granted = new Map(KIDS.map((kid) => [kid, new History<boolean>()]));
  const wrappedBy = new Map(messages.map(({ branchId }) => [branchId, new History<string>()]));
  const allowed = new Set(KIDS);
  for (const kid of KIDS) granted.get(kid)?.set(0, true);
  const noteRows = () => {
    for (const { id, kid } of keyring.rows) wrappedBy.get(id)?.set(now(), kid);
  };
  noteRows();
  deployment.vault.answer = ({ kid }) => {
    if (KIDS.includes(kid) && !allowed.has(kid)) throw refusal('key-disabled');
  };
  deployment.vault.makeNewest(CMK_V2);
  return {
    advance: (seconds: number) => deployment.clock.advance(seconds),
    turn: (kid: string) => {
      if (!allowed.delete(kid)) allowed.add(kid);
      granted.get(kid)?.set(now(), allowed.has(kid));
    },
    move: async (process: number, branch: number, key: typeof hsm) => {
      const row = keyring.rows.find(({ id }) => id === messages[branch % messages.length]?.branchId);
      await codeOf(Promise.resolve(row && processes[process % 3]?.dataKeys.moveStoredKey(TENANT, row, key))).catch(
        () => undefined, // a row that does not open stays
      );
      noteRows();
    },
    /** `isAlone`: no other work of this process may hold the one probe after a refusal. */
    request: async (process: number, branch: number, isAlone: boolean) => {
      const { text, branchId } = messages[branch % messages.length] ?? { text: '', branchId: '' };
      const code = await codeOf(processes[process % 3]?.decrypt(text) ?? Promise.resolve());
      const kids = wrappedBy.get(branchId)?.since(now() - BOUND) ?? [];
      const wasGranted = kids.some((kid) =>
        granted
          .get(kid)
          ?.since(now() - BOUND)
          .includes(true),
      );
      const current = keyring.rows.find(({ id }) => id === branchId)?.kid ?? '';
      const isGranted = granted
        .get(current)
        ?.since(now() - PROBE)
        .every(Boolean);
      if (code === 'ok') expect({ code, wasGranted }).toEqual({ code: 'ok', wasGranted: true });
      else if (isAlone) expect({ code, isGranted }).toEqual({ code: 'access-revoked', isGranted: false });
    },
  };
}

function branchOf(message: string): string {
  const { kid } = JSON.parse(Buffer.from(message.split('.')[0] ?? '', 'base64url').toString()) as { kid: string };
  return Buffer.from(kid, 'base64url').toString('base64url', 0, 8);
}

const choice = fc.nat({ max: 2 });
const step = fc.oneof(
  { weight: 4, arbitrary: fc.record({ is: fc.constant('request' as const), process: choice, branch: choice }) },
  {
    weight: 2,
    arbitrary: fc.record({ is: fc.constant('move' as const), process: choice, branch: choice, to: choice }),
  },
  { weight: 1, arbitrary: fc.record({ is: fc.constant('turn' as const), kid: choice }) },
  { weight: 2, arbitrary: fc.record({ is: fc.constant('advance' as const), seconds: fc.nat({ max: 200 }) }) },
);

type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;

function run(model: Awaited<ReturnType<typeof modelled>>, group: readonly Step[], one: Step): Promise<void> {
  if (one.is === 'move') return model.move(one.process, one.branch, one.to === 0 ? hsm : cmk);
  if (one.is === 'turn') return settle().then(() => model.turn(KIDS[one.kid] ?? ''));
  if (one.is === 'advance') return Promise.resolve();
  const ofProcess = group.filter((other) => 'process' in other && other.process === one.process);
  return model.request(one.process, one.branch, ofProcess.length === 1);
}

test('a rewrap that races a revocation opens nothing after the bound, and refuses nothing that is granted', async () => {
  // Steps of one group run at once, so a revocation falls between the calls of a move or a request.
  const groups = fc.array(fc.array(step, { minLength: 1, maxLength: 4 }), { minLength: 5, maxLength: 40 });
  await fc.assert(
    fc.asyncProperty(groups, async (plan) => {
      const model = await modelled();
      for (const group of plan) {
        await Promise.all(group.map((one) => run(model, group, one)));
        model.advance(1); // rows of a tenant are looked up ten times a second
        for (const one of group) if (one.is === 'advance') model.advance(one.seconds);
      }
    }),
    { numRuns: 30, endOnFailure: true },
  );
});
