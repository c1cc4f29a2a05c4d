/** What the operator tells the customer now, by the step of the drill. */
const STEPS: Readonly<Record<string, string>> = {
  starting: 'The processes start to decrypt a sample each second.',
  revoke: 'Ask the customer to revoke access now, in whatever way they choose.',
  'wait-for-refusals': 'Azure refuses. The remaining processes must refuse within the bound.',
  restore: 'Every process has refused. Ask the customer to restore access.',
  'wait-for-access': 'Access is back for some. The drill ends when every process decrypts again.',
  over: 'The drill is over.',
};

const VERDICTS: Readonly<Record<string, string>> = {
  held: 'The bound was held: no process used the key longer after the first refusal.',
  'not-held': 'The bound was not held: a process used the key longer after the first refusal.',
  'not-shown': 'Nothing is shown: not every process was refused.',
};

export const stepWords = (step: string): string => STEPS[step] ?? step;
export const verdictWords = (verdict: string): string => VERDICTS[verdict] ?? verdict;
