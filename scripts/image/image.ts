import { readFileSync } from 'node:fs';
import * as z from 'zod';

const Config = z.object({
  User: z.string().default(''),
  Env: z.array(z.string()).default([]),
  Entrypoint: z.array(z.string()).nullish(),
  Cmd: z.array(z.string()).nullish(),
  WorkingDir: z.string().default(''),
  ExposedPorts: z.record(z.string(), z.unknown()).nullish(),
  Labels: z.record(z.string(), z.string()).nullish(),
  Healthcheck: z.object({ Test: z.array(z.string()) }).nullish(),
});

/** A built image: its configuration, and its files as a folder of this machine. */
export interface Image {
  readonly user: string;
  readonly env: readonly string[];
  readonly entrypoint: readonly string[];
  readonly command: readonly string[];
  readonly workingDirectory: string;
  readonly ports: readonly string[];
  readonly labels: Readonly<Record<string, string>>;
  /** `CMD` or `CMD-SHELL`, then the command; empty without a health check. */
  readonly healthcheck: readonly string[];
  readonly root: string;
}

/** Returns the image that `buildah inspect --type image` described in a file. */
export function readImage(inspected: string, root: string): Image {
  const { Docker } = z
    .object({ Docker: z.object({ config: Config }) })
    .parse(JSON.parse(readFileSync(inspected, 'utf8')));
  const { User, Env, Entrypoint, Cmd, WorkingDir, ExposedPorts, Labels, Healthcheck } = Docker.config;
  return {
    user: User,
    env: Env,
    entrypoint: Entrypoint ?? [],
    command: Cmd ?? [],
    workingDirectory: WorkingDir,
    ports: Object.keys(ExposedPorts ?? {}),
    labels: Labels ?? {},
    healthcheck: Healthcheck?.Test ?? [],
    root,
  };
}
