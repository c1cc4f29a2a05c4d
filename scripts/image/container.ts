import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Image } from './image.ts';

/** Folders of tools, which are empty while the image runs. Node is in /usr/local/bin. */
const TOOLS = ['usr/bin', 'usr/sbin', 'usr/local/sbin'];

/** A program that runs in an image. */
export interface Container {
  /** Both outputs, as far as they have come. */
  output(): string;
  /** Resolves with the exit code, or with the name of the signal. */
  readonly ended: Promise<number | string>;
  /** Returns what the kernel says about the process. */
  status(): string;
  kill(signal: NodeJS.Signals): void;
}

/**
 * Runs arguments in an image as a container engine would, with the options that docs/operating.md
 * recommends: a read-only root, a tmpfs on /tmp, no capability, no new privileges, process 1 of its
 * own processes. The network is this machine's. `state` is /app/.vaultspan and, read-only, /etc/vaultspan.
 */
export function runIn(image: Image, state: string, args: readonly string[]): Container {
  const { root } = image;
  for (const folder of ['app/.vaultspan', 'etc/vaultspan', 'proc', 'dev', 'tmp']) {
    mkdirSync(join(root, folder), { recursive: true });
  }
  writeFileSync(join(root, 'etc/hosts'), '127.0.0.1 localhost\n'); // as an engine does
  const steps = [
    `mount --bind ${root} ${root}`,
    `mount -o remount,bind,ro,nosuid ${root}`,
    ...TOOLS.filter((path) => existsSync(join(root, path))).map((path) => `mount -t tmpfs -o ro none ${root}/${path}`),
    `mount -t tmpfs -o mode=1777,size=64m none ${root}/tmp`,
    `mount -t proc none ${root}/proc`,
    `mount --rbind /dev ${root}/dev`,
    `mount --bind ${state} ${root}/app/.vaultspan`,
    `mount --bind ${state} ${root}/etc/vaultspan`,
    `mount -o remount,bind,ro ${root}/etc/vaultspan`,
    // PATH is the image's from here on, so the tools of this machine are named by their paths.
    `exec /usr/bin/env -i "$@"`,
  ];
  const [uid = '', gid = ''] = image.user.split(':');
  const enter = ['--root', root, '--wd', image.workingDirectory, '--setgid', gid, '--setuid', uid];
  const child = spawn(
    'unshare',
    [
      ...['--mount', '--pid', '--fork', '--kill-child', '/bin/sh', '-euc', steps.join('\n'), 'sh'],
      ...image.env,
      ...['/usr/bin/setpriv', '--no-new-privs', '--clear-groups'],
      ...['/usr/bin/unshare', ...enter, '--', ...args],
    ],
    { stdio: ['ignore', 'pipe', 'pipe'] },
  );
  const chunks: string[] = [];
  for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', (text) => chunks.push(text));
  const ended = once(child, 'close').then(([code, signal]: (number | string | null)[]) => code ?? signal ?? 'nothing');
  return {
    output: () => chunks.join(''),
    ended,
    status: () => readFileSync(`/proc/${innerPid(child)}/status`, 'utf8'),
    kill: (signal) => {
      if (child.exitCode === null && child.signalCode === null) process.kill(innerPid(child), signal);
    },
  };
}

/** Returns the id outside of process 1 inside: `unshare` itself ignores signals. */
function innerPid({ pid }: ChildProcess): number {
  return Number(readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim());
}
