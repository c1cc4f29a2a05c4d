/** Takes the place of `@jest/globals` in workers: see runtime.ts. */

type TestFunction = (...args: unknown[]) => unknown;
type Globals = Record<string, TestFunction>;

let current: Globals = {};

/** Sets the functions of the test file that runs now. */
export function setGlobals(globals: Globals): void {
  current = globals;
}

/**
 * Returns a function of the current test file. A module that is loaded once serves many test files.
 */
const ofCurrentFile = (name: string): TestFunction =>
  new Proxy((() => undefined) as TestFunction, {
    apply: (_target, _this, args) => current[name]?.(...args),
    get: (_target, member) => Reflect.get(current[name] ?? {}, member),
  });

export const afterAll = ofCurrentFile('afterAll');
export const afterEach = ofCurrentFile('afterEach');
export const beforeAll = ofCurrentFile('beforeAll');
export const beforeEach = ofCurrentFile('beforeEach');
export const describe = ofCurrentFile('describe');
export const expect = ofCurrentFile('expect');
export const test = ofCurrentFile('test');
