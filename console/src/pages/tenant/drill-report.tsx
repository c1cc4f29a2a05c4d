import type { ReactNode } from 'react';
import type { Drill } from '../../api/types.ts';
import { Badge, moodOf } from '../../parts/badge.tsx';
import { saveFile } from '../../parts/download.ts';
import { Facts } from '../../parts/facts.tsx';
import { Notice } from '../../parts/notice.tsx';
import { TableFrame } from '../../parts/table-frame.tsx';
import { Time } from '../../parts/time.tsx';
import { verdictWords } from '../../text/drill-words.ts';

type Report = Drill['report'];

export const DrillReport = ({ drill: { report, markdown, jws, step } }: { drill: Drill }): ReactNode => (
  <>
    {step === 'over' && (
      <Notice kind={report.verdict === 'held' ? 'success' : 'warning'} title={verdictWords(report.verdict)}>
        <p className="row">
          {markdown !== undefined && (
            <button type="button" onClick={() => saveFile(`drill-${report.drillId}.md`, new Blob([markdown]))}>
              Download the report
            </button>
          )}
          {jws !== undefined && (
            <button type="button" onClick={() => saveFile(`drill-${report.drillId}.jws`, new Blob([jws]))}>
              Download the signed report
            </button>
          )}
        </p>
        {jws !== undefined && (
          <p>
            The signed report is a JWS with ES256 by the key that signs the receipts. Any JOSE library verifies it with
            the public key, which `vaultspan log key` prints.
          </p>
        )}
      </Notice>
    )}
    <Facts
      facts={[
        ['Drill', <code key="id">{report.drillId}</code>],
        [
          'State',
          <Badge key="state" mood={moodOf(report.state)}>
            {report.state}
          </Badge>,
        ],
        ['Started', <Time key="start" at={report.startedAt} />],
        ['Started by', report.startedBy],
        ['Ended', report.endedAt && <Time key="end" at={report.endedAt} />],
        ['Bound', `${report.boundSeconds} s; ${report.signInBoundSeconds} s if only a sign-in is refused`],
        ['Azure refused with', report.revokedBy.join(', ') || undefined],
        ['First refusal by Azure', report.azureRefusedAt && <Time key="refused" at={report.azureRefusedAt} />],
        ['Longest use after it', seconds(report.longestUseSeconds)],
        ['Refused everywhere after', seconds(report.refusedEverywhereAfterSeconds)],
        ['Access back everywhere', report.backEverywhereAt && <Time key="back" at={report.backEverywhereAt} />],
      ]}
    />
    {report.tracks.length > 0 && <Tracks report={report} />}
  </>
);

const Tracks = ({ report }: { report: Report }): ReactNode => (
  <TableFrame label="What each process saw">
    <thead>
      <tr>
        <th scope="col">Process</th>
        <th scope="col">Keys</th>
        <th scope="col">Now</th>
        <th scope="col">Used the key for</th>
        <th scope="col">Refused after</th>
        <th scope="col">Access back</th>
      </tr>
    </thead>
    <tbody>
      {report.tracks.map(({ process, mode, attempts, usedForSeconds, refusedAfterSeconds, backAt }) => {
        const last = attempts.at(-1);
        return (
          <tr key={`${process} ${mode}`}>
            <th scope="row">
              <code>{process.slice(0, 8)}</code>
            </th>
            <td>{mode === 'warm' ? 'in memory' : 'new sign-in'}</td>
            <td>
              {last && (
                <Badge mood={moodOf(last.outcome)}>{[last.outcome, last.reason].filter(Boolean).join(': ')}</Badge>
              )}
            </td>
            <td className="number">{seconds(usedForSeconds) ?? '–'}</td>
            <td className="number">{seconds(refusedAfterSeconds) ?? '–'}</td>
            <td>
              <Time at={backAt} />
            </td>
          </tr>
        );
      })}
    </tbody>
  </TableFrame>
);

const seconds = (value: number | undefined): string | undefined =>
  value === undefined ? undefined : `${value.toFixed(1)} s`;
