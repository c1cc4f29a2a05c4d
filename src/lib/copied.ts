/** A copy of an ASCII text, for whoever keeps it: V8 makes a slice by pointing into its parent, such as a message of many megabytes. */
export const copied = (ascii: string): string => Buffer.from(ascii, 'latin1').toString('latin1');
