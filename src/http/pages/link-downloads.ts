import type { Response } from 'express';
import { ServiceError } from '../../errors.ts';
import { type ListAuditRecordsDeps, listAuditRecords } from '../../operations/audit/list-audit-records.ts';
import {
  getLogCheckpoint,
  getLogProof,
  type LogProofInput,
  type ReadLogDeps,
} from '../../operations/audit/read-log.ts';
import { exportOfLink } from '../../operations/onboarding/customer-page.ts';
import {
  fileName,
  getOnboardingFile,
  ONBOARDING_FORMATS,
  type OnboardingFileDeps,
} from '../../operations/onboarding/onboarding-file.ts';
import { requestOfLink } from '../../operations/onboarding/open-link.ts';
import { type LinkRequest, notALink } from './link-request.ts';

export interface DownloadDeps extends ListAuditRecordsDeps, ReadLogDeps, OnboardingFileDeps {
  readonly branchKeys: Parameters<typeof exportOfLink>[0]['branchKeys'];
  readonly tenants: ListAuditRecordsDeps['tenants'];
}

const LINES = 'application/x-ndjson';
const MAX_RECORDS = 1_000;
const RECORDS_IN_A_PAGE = 200;

/** Sends the customer's tasks in one of their formats. */
export async function sendFile(deps: DownloadDeps, { req, res, link, requestId }: LinkRequest): Promise<void> {
  const format = ONBOARDING_FORMATS.find((known) => known === req.params['format']);
  if (format === undefined) throw notALink();
  const { tenantId } = link;
  const text = await getOnboardingFile(deps, requestOfLink(link, 'Tenants.Read', requestId), { tenantId, format });
  sendDownload(res, fileName(tenantId, format), 'text/plain', text);
}

/** Sends the newest records as lines. */
export async function sendRecords(deps: DownloadDeps, { res, link, requestId }: LinkRequest): Promise<void> {
  const { tenantId } = link;
  const lines: string[] = [];
  let cursor: string | undefined;
  do {
    const request = requestOfLink(link, 'Audit.Read', requestId);
    const page = await listAuditRecords(deps, request, { tenantId, limit: RECORDS_IN_A_PAGE, cursor });
    lines.push(...page.records.map((record) => `${JSON.stringify(record)}\n`));
    cursor = page.nextCursor;
  } while (cursor !== undefined && lines.length < MAX_RECORDS);
  sendDownload(res, `vaultspan-${tenantId}-records.ndjson`, LINES, lines.join(''));
}

/** Sends the last checkpoint of the transparency log. */
export async function sendCheckpoint(deps: DownloadDeps, { res, link, requestId }: LinkRequest): Promise<void> {
  const { tenantId } = link;
  const text = await getLogCheckpoint(deps, requestOfLink(link, 'Audit.Read', requestId), tenantId);
  sendDownload(res, `vaultspan-${tenantId}-checkpoint.txt`, 'text/plain', text);
}

/** Sends the proof that an entry is in the log, or that the log only grew since a size. */
export async function sendProof(deps: DownloadDeps, { req, res, link, requestId }: LinkRequest): Promise<void> {
  const { tenantId } = link;
  const { name, input } = proofAsked(tenantId, req.query);
  const text = await getLogProof(deps, requestOfLink(link, 'Audit.Read', requestId), input);
  sendDownload(res, `vaultspan-${tenantId}-${name}.txt`, 'text/plain', text);
}

const NUMBER = /^\d{1,15}$/;

function proofAsked(
  tenantId: string,
  { sequence, from }: LinkRequest['req']['query'],
): { readonly name: string; readonly input: LogProofInput } {
  if (typeof sequence === 'string' && from === undefined && NUMBER.test(sequence))
    return { name: `entry-${sequence}`, input: { tenantId, sequence: Number(sequence) } };
  if (typeof from === 'string' && sequence === undefined && NUMBER.test(from))
    return { name: `growth-${from}`, input: { tenantId, from: Number(from) } };
  throw new ServiceError('log-not-found', 'The number of an entry, or of entries of an earlier checkpoint, is needed');
}

/** Sends the export of wrapped branch keys, a page at a time. */
export async function sendKeys(deps: DownloadDeps, { res, link, requestId }: LinkRequest): Promise<void> {
  for await (const lines of exportOfLink(deps, link, requestId)) {
    if (!res.headersSent) startDownload(res, `vaultspan-${link.tenantId}-branch-keys.ndjson`, LINES);
    if (!res.write(lines)) await new Promise((resolve) => res.once('drain', resolve).once('close', resolve));
    if (res.destroyed) return;
  }
  if (!res.headersSent) startDownload(res, `vaultspan-${link.tenantId}-branch-keys.ndjson`, LINES);
  res.end();
}

function startDownload(res: Response, name: string, type: string): void {
  res.setHeader('Content-Disposition', `attachment; filename="${name}"`);
  res.type(type);
}

function sendDownload(res: Response, name: string, type: string, text: string): void {
  startDownload(res, name, type);
  res.send(text);
}
