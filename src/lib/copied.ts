/**
 * Returns a copy of an ASCII text for long-term use: a slice of V8 holds its parent, such as a
 * message of many megabytes.
 */
export const copied = (ascii: string): string => Buffer.from(ascii, 'latin1').toString('latin1');
