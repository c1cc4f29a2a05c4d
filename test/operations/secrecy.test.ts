import { testSecrecy } from '../support/secrecy-tests.ts';

testSecrecy('self-contained');
