/**
 * Calls `onLine` with each line of an answer in NDJSON as it arrives. Rejects if the answer breaks
 * off within a line.
 */
export async function readLines(response: Response, onLine: (line: unknown) => void): Promise<void> {
  let rest = '';
  const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader();
  for (let part = await reader?.read(); part && !part.done; part = await reader?.read()) {
    const lines = `${rest}${part.value}`.split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) onLine(JSON.parse(line));
  }
  if (rest !== '') throw new Error('The answer broke off');
}
