import { testSecrecy } from '../support/secrecy-tests.ts';

testSecrecy('compact');
