import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Actions } from '../src/emulator/control/control.ts';
import { answerOf, endChild, startChild } from './child.ts';
import type { EmulatedAzure } from './emulator-process.ts';
import type { Question, Vitals } from './service-process.ts';

/** A tenant of the service, and the customer that owns its directory and vault. */
export interface TenantPlan {
  readonly id: string;
  readonly customer: string;
  /** Key of the customer's vault; each belongs to one tenant. */
  readonly key: 'data' | 'cold';
  readonly dataKeys?: { readonly mode: 'perMessage' };
}

/** A service in a process of its own. */
export interface ServiceProcess {
  readonly url: string;
  readonly pid: number;
  ask(question: Question): Promise<Vitals>;
  signal(name: NodeJS.Signals): void;
  stop(): Promise<void>;
  kill(): Promise<void>;
}

type Order = <Name extends keyof Actions>(
  name: Name,
  ...order: Parameters<Actions[Name]>
) => Promise<Awaited<ReturnType<Actions[Name]>>>;

/** An emulated Azure with customers, and a folder for services that use it. */
export interface ChaosSite {
  readonly folder: string;
  readonly token: string;
  readonly records: readonly object[];
  /** Sends an order to the emulated Azure, over its control listener. */
  readonly order: Order;
  /** `config` overrides the default. */
  startService(config: Readonly<Record<string, unknown>>): Promise<ServiceProcess>;
  close(): Promise<void>;
}

const kebab = (name: string): string => name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);

export async function openChaosSite(tenants: readonly TenantPlan[]): Promise<ChaosSite> {
  const folder = await mkdtemp(join(tmpdir(), 'vaultspan-chaos-'));
  const names = [...new Set(tenants.map(({ customer }) => customer))];
  const [child, azure] = await startChild<EmulatedAzure>('emulator-process.ts', [folder, ...names]);
  const records = tenants.map((tenant) => recordOf(azure, tenant));
  await writeFile(join(folder, 'tenants.json'), JSON.stringify({ tenants: records }));
  let started = 0;
  return {
    folder,
    token: azure.token,
    records,
    order: async (name, ...[order = {}]) => {
      const body = JSON.stringify(order);
      const response = await fetch(`${azure.controlUrl}/${kebab(name)}`, { method: 'POST', body });
      if (!response.ok) throw new Error(`${name}: ${await response.text()}`);
      return (await response.json()) as never; // the action's result, according to its catalogue
    },
    startService: async (config) => {
      started += 1;
      const file = join(folder, `config-${started}.json`);
      await writeFile(file, JSON.stringify({ ...azure.config, ...config }));
      const [service, { url }] = await startChild<{ readonly url: string }>('service-process.ts', [file]);
      return {
        url,
        pid: service.pid ?? 0,
        ask: (question) => {
          const answer = answerOf<Vitals>(service);
          service.send(question);
          return answer;
        },
        signal: (name) => void service.kill(name),
        stop: () => endChild(service, 'SIGTERM'),
        kill: () => endChild(service, 'SIGKILL'),
      };
    },
    close: async () => {
      await endChild(child, 'SIGTERM');
      await rm(folder, { recursive: true, force: true });
    },
  };
}

function recordOf({ customers }: EmulatedAzure, { id, customer, key, dataKeys }: TenantPlan): object {
  const found = customers.find(({ name }) => name === customer);
  if (!found) throw new Error(`no customer ${customer}`);
  const { tenantId, vaultUrl } = found;
  const keys = { data: { vaultUrl, name: key, use: 'data' } };
  return { id, entraTenantId: tenantId, keys, defaultKey: 'data', ...(dataKeys && { dataKeys }) };
}
