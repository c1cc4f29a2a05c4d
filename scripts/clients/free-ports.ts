// Prints the first of N neighbouring ports that nobody listens on: node free-ports.ts N
import process from 'node:process';
import { freePorts } from '../../test/support/free-ports.ts';

process.stdout.write(`${await freePorts(Number(process.argv[2]))}\n`);
