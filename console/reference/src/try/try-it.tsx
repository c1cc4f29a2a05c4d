import { type FormEvent, type ReactNode, useRef, useState } from 'react';
import { Notice } from '../../../src/parts/notice.tsx';
import type { Operation } from '../contract.ts';
import { usePage } from '../page-context.ts';
import { PREPARATIONS, prepared } from '../samples/preparations.ts';
import { exampleInputs, type Inputs, requestOf } from '../samples/request.ts';
import { InputFields } from './input-fields.tsx';
import { failureOf, type Outcome, perform } from './perform.ts';
import { Result } from './result.tsx';
import { Samples } from './samples.tsx';

/** The form that sends an operation, the same call as code, and its answer. */
export function TryIt({ operation, base }: { operation: Operation; base: string }): ReactNode {
  const { token, call, drafts, exchanges, onAskToken } = usePage();
  const [inputs, setInputs] = useState(() => drafts.get(operation.id) ?? exampleInputs(operation));
  const [outcome, setOutcome] = useState<Outcome | undefined>(undefined);
  const running = useRef<AbortController>(undefined);
  const preparation = PREPARATIONS[operation.id];
  const change = (changed: Inputs): void => {
    drafts.set(operation.id, changed);
    setInputs(changed);
  };
  const during = async (work: (signal: AbortSignal) => Promise<Outcome | undefined>): Promise<void> => {
    const controller = new AbortController();
    running.current = controller;
    setOutcome({ kind: 'running' });
    try {
      setOutcome(await work(controller.signal));
    } catch (error) {
      setOutcome(failureOf(error, controller.signal.aborted));
    }
  };
  const sendIt = (event: FormEvent): void => {
    event.preventDefault();
    void during(async (signal) => {
      const answered = await perform(call, requestOf(operation, inputs), signal);
      if (answered.response.ok) {
        exchanges.keep(operation.id, { sent: inputs, headers: answered.response.headers, content: answered.content });
      }
      return answered;
    });
  };
  const fillIn = (): void =>
    void during(async () => {
      change(await prepared(operation, inputs, exchanges));
      return undefined;
    });
  const isRunning = outcome?.kind === 'running';
  return (
    <section className="try" aria-label="Try it">
      <h2>Try it</h2>
      {operation.needsToken && token.name === undefined && (
        <p className="row middle">
          <span>This operation needs a token.</span>
          <button type="button" onClick={onAskToken}>
            Set a token
          </button>
        </p>
      )}
      {preparation && (
        <p className="row middle">
          <button type="button" disabled={isRunning} onClick={fillIn}>
            Get values from {preparation.from}
          </button>
          <span className="quiet">
            {preparation.isByHand ? 'Takes its last answer.' : 'Sends it, and takes its answer.'}
          </span>
        </p>
      )}
      <form className="form" onSubmit={sendIt}>
        <InputFields operation={operation} inputs={inputs} onChange={change} />
        <div className="row">
          <button type="submit" className={isDestructive(operation) ? 'danger' : 'primary'} disabled={isRunning}>
            Send
          </button>
          {isRunning && (
            <button type="button" onClick={() => running.current?.abort()}>
              Cancel
            </button>
          )}
          <button type="button" onClick={() => change(exampleInputs(operation))}>
            Back to the example
          </button>
        </div>
      </form>
      <div role="status">{isRunning && <p className="quiet">Sending…</p>}</div>
      {outcome?.kind === 'failed' && <Notice kind="error" title={outcome.title} />}
      {outcome?.kind === 'answered' && <Result outcome={outcome} />}
      {outcome && wantsToken(outcome) && (
        <p className="row middle">
          <span>What you typed stays.</span>
          <button type="button" onClick={onAskToken}>
            Set another token
          </button>
        </p>
      )}
      <Samples operation={operation} base={base} inputs={inputs} />
    </section>
  );
}

const wantsToken = (outcome: Outcome): boolean =>
  (outcome.kind === 'failed' && outcome.needsToken) || (outcome.kind === 'answered' && outcome.response.status === 401);

/** What takes something away has another colour. */
const isDestructive = ({ id, method }: Operation): boolean =>
  method === 'DELETE' || id === 'suspendTenant' || id === 'retireIndexVersion';
