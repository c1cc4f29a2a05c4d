import process from 'node:process';

/** Returns the environment of a process under test that shall inherit no settings of ours. */
export const bareEnv = (): NodeJS.ProcessEnv => ({
  PATH: process.env['PATH'],
  NODE_COMPILE_CACHE: process.env['NODE_COMPILE_CACHE'],
});
