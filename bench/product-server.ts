import process from 'node:process';
import { serveArgument } from '../test/support/served-config.ts';
import { answerCpuQuestions } from './cpu.ts';

const service = await serveArgument();
process.on('SIGTERM', () => {
  void service.stop().then(() => process.exit());
});
answerCpuQuestions(service.url);
