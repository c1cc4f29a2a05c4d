import type { Image } from './image.ts';

const PINNED = /^[^@\s]+@sha256:[0-9a-f]{64}$/;
const NUMBERS = /^[1-9]\d*:[1-9]\d*$/;
const SECRET = /key|token|secret|password|credential|proxy|registry|npm_config/i;
const ENVIRONMENT = ['PATH', 'NODE_ENV', 'NODE_COMPILE_CACHE', 'NODE_VERSION', 'YARN_VERSION'];

/** Returns what is wrong with the base images of a Dockerfile: each is pinned by one digest, or is an earlier stage. */
export function faultsOfBases(dockerfile: string): readonly string[] {
  const lines = dockerfile.replace(/\\\r?\n/g, ' ').split('\n');
  const stages = new Set<string>();
  const bases = new Set<string>();
  const faults: string[] = [];
  for (const line of lines) {
    const [, base, name] = /^\s*FROM\s+(?:--\S+\s+)*(\S+)(?:\s+AS\s+(\S+))?\s*$/i.exec(line) ?? [];
    if (base === undefined) continue;
    if (!stages.has(base)) {
      bases.add(base);
      if (!PINNED.test(base)) faults.push(`FROM ${base}: not pinned by a digest`);
    }
    if (name !== undefined) stages.add(name);
  }
  if (bases.size !== 1) faults.push(`${bases.size} base images instead of one: ${[...bases].join(', ')}`);
  return faults;
}

/** Returns what is wrong with an image's configuration. */
export function faultsOfConfig(image: Image, licence: string): readonly string[] {
  const faults: string[] = [];
  const expect = (isRight: boolean, fault: string): void => {
    if (!isRight) faults.push(fault);
  };
  expect(NUMBERS.test(image.user), `USER ${image.user}: not the numbers of a user and a group other than root`);
  // A shell form becomes /bin/sh -c.
  expect(image.entrypoint[0] === 'node', `ENTRYPOINT ${image.entrypoint.join(' ')}: does not run Node itself`);
  expect(image.command[0] === 'serve', `CMD ${image.command.join(' ')}: does not serve`);
  const [kind, ...check] = image.healthcheck;
  expect(kind === 'CMD' && check[0] === 'node', `HEALTHCHECK ${image.healthcheck.join(' ')}: does not run Node itself`);
  expect(image.ports.join() === '8080/tcp', `EXPOSE ${image.ports.join()}: not the port of the configuration's default`);
  expect(image.env.includes('NODE_ENV=production'), 'NODE_ENV is not production');
  for (const [name = ''] of image.env.map((one) => one.split('='))) {
    expect(!SECRET.test(name), `ENV ${name}: settings of the build or secrets stay in the image`);
    expect(ENVIRONMENT.includes(name), `ENV ${name}: not expected`);
  }
  for (const label of ['title', 'description', 'licenses']) {
    expect((image.labels[`org.opencontainers.image.${label}`] ?? '') !== '', `no label ${label}`);
  }
  const stated = image.labels['org.opencontainers.image.licenses'];
  expect(stated === undefined || stated === licence, `the label licenses is not ${licence}`);
  return faults;
}
