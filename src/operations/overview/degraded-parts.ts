/** Parts of the service that can fail while it serves requests. */
export interface PartsDeps {
  /** Returns the problems of an audit log that still accepts records. */
  readonly auditDegraded: () => readonly string[];
  /** Returns the names of the keys and credentials that the home vault no longer provides. */
  readonly degradedHome: () => readonly string[];
  /** Returns the problems of branch keys although messages are answered. */
  readonly branchesDegraded: () => readonly string[];
  readonly tenants: { trouble(): string | undefined };
  /** The listener's; absent for plain HTTP. */
  readonly certificate?: { trouble(): string | undefined } | undefined;
}

/** Returns the names of the parts that fail. */
export const degradedParts = (deps: PartsDeps): readonly string[] => [
  ...(deps.tenants.trouble() === undefined ? [] : ['registry']),
  ...(deps.certificate?.trouble() === undefined ? [] : ['certificate']),
  ...deps.auditDegraded(),
  ...deps.degradedHome(),
  ...deps.branchesDegraded(),
];
