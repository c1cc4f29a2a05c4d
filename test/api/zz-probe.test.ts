import { expect, test } from '@jest/globals';
import { startService } from '../support/start-service.ts';
test('two', async () => {
  for (let i = 0; i < 3; i++) {
    const t = performance.now();
    await using s = await startService({ config: { revocation: { boundSeconds: 0 } } });
    const r = await s.post('/tenants/contoso/encrypt', { plaintext: 'AAAA' });
    console.log(performance.now() - t, r.status, r.body);
    console.log(s.emulator.control.requests().map((e) => [e.at, e.operation, e.status, e.clientRequestId].join(' ')).join('\n'));
    expect(r.status).toBe(200);
  }
});
