import process from 'node:process';
import { serveArgument } from './served-config.ts';

/** The service in a process of its own: it prints its address, and drains on SIGTERM. */
const service = await serveArgument();
process.on('SIGTERM', () => void service.stop());
process.stdout.write(`${service.url}\n`);
