import { Deployment } from './deployment.ts';

type Vault = Deployment['vault'];

export const refuseAll = (vault: Vault, error: () => Error): void => {
  vault.answer = () => {
    throw error();
  };
};

export const permitAll = (vault: Vault): void => {
  vault.answer = () => {};
};

/** Returns a process with messages of its own under both keys, all with a recent proof. */
export async function warmProcess(change?: ConstructorParameters<typeof Deployment>[0]) {
  const deployment = new Deployment(change);
  const { vault, clock } = deployment;
  const process = deployment.start();
  const message = await process.encrypt();
  const hsmMessage = await process.encrypt('a', { key: 'hsm' });
  vault.takeOperations();
  return { deployment, vault, clock, process, message, hsmMessage };
}
