type Defined<T> = {
  [Name in keyof T as undefined extends T[Name] ? Name : never]?: Exclude<T[Name], undefined>;
} & { [Name in keyof T as undefined extends T[Name] ? never : Name]: T[Name] };

/**
 * Returns the members that have a value, in their order: an optional member is absent instead of
 * undefined.
 */
export function defined<const T extends object>(members: T): Defined<T> {
  const found: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(members)) if (value !== undefined) found[name] = value;
  return found as Defined<T>;
}
