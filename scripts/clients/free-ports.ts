// Prints the first of N adjacent free ports: node free-ports.ts N
import process from 'node:process';
import { freePorts } from '../../test/support/free-ports.ts';

process.stdout.write(`${await freePorts(Number(process.argv[2]))}\n`);
