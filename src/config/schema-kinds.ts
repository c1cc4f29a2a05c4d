import * as z from 'zod';

export const MIB = 1024 * 1024;
export const HOUR = 3_600;
export const httpsUrl = z
  .url({ protocol: /^https$/, error: 'must be an https URL' })
  .transform((url) => url.replace(/\/$/, ''));
export const guid = z.guid().transform((id) => id.toLowerCase());
export const section = <T extends z.ZodRawShape>(shape: T) => z.strictObject(shape).prefault({} as never);
export const seconds = (min: number, max: number) => z.int().min(min).max(max);
/** Name of a secret or a key of a vault. */
export const secretName = z.string().regex(/^[0-9A-Za-z-]{1,127}$/, 'must be 1 to 127 of 0-9, A-Z, a-z and -');
