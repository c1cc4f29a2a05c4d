import * as z from 'zod';

/** One setting: a leaf of the schema. */
export interface Setting {
  readonly path: readonly string[];
  /** Without its default and its transformations. */
  readonly type: z.ZodType;
  /** As in the schema. */
  readonly whole: z.ZodType;
}

/** Returns every leaf of the schema: a member that is not an object with members of its own. */
export function settingsOf(schema: z.ZodType, path: readonly string[] = []): Setting[] {
  const type = innermost(schema);
  if (!(type instanceof z.ZodObject)) return [{ path, type, whole: schema }];
  return Object.entries(type.shape).flatMap(([name, member]) => settingsOf(member as z.ZodType, [...path, name]));
}

/** Returns the schema inside optional, default and transform. */
export function innermost(schema: z.ZodType): z.ZodType {
  if (schema instanceof z.ZodOptional || schema instanceof z.ZodDefault || schema instanceof z.ZodPrefault) {
    return innermost(schema.unwrap() as z.ZodType);
  }
  return schema instanceof z.ZodPipe ? innermost(schema.in as z.ZodType) : schema;
}
