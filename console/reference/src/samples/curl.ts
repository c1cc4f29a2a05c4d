import type { ServiceRequest } from './request.ts';

/** Returns the request as a curl command for a POSIX shell. */
export function curlSample(base: string, request: ServiceRequest): string {
  const { method, body } = request;
  const isImplied = method === (body === '' ? 'GET' : 'POST');
  const options = [
    ...(isImplied ? [] : [`-X ${method}`]),
    ...(request.needsToken ? ['-H "Authorization: Bearer $VAULTSPAN_TOKEN"'] : []),
    ...Object.entries(request.headers).map(([name, value]) => `-H ${quoted(`${name}: ${value}`)}`),
    ...bodyOption(body),
    ...(request.answerType === 'application/octet-stream' ? ['--output answer.bin'] : []),
  ];
  return [`curl ${quoted(new URL(request.path, base).href)}`, ...options].join(' \\\n  ');
}

function bodyOption(body: ServiceRequest['body']): readonly string[] {
  if (body === '') return [];
  return [typeof body === 'string' ? `--data-raw ${quoted(body)}` : `--data-binary ${quoted(`@${body.name}`)}`];
}

/** Returns the text as one word of a shell. */
const quoted = (text: string): string => (/^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`);
