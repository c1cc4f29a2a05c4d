import { useMutation } from '@tanstack/react-query';
import { type ReactNode, useState } from 'react';
import { tenantPath } from '../../api/paths.ts';
import type { DecryptResult, EncryptResult, Tenant } from '../../api/types.ts';
import { useApi } from '../../app/context.ts';
import { Copyable } from '../../parts/copy-button.tsx';
import { Facts } from '../../parts/facts.tsx';
import { Failure } from '../../parts/failure.tsx';
import { Field } from '../../parts/field.tsx';
import { KeyName } from '../../parts/key-name.tsx';
import { Notice } from '../../parts/notice.tsx';
import { contextOf, messageHeader } from '../../text/message-header.ts';
import type { SectionProps } from './tenant-page.tsx';

/** Encrypts and decrypts a text, to see what a ciphertext consists of. Nothing of it is kept. */
export default function TrySection({ tenant }: SectionProps): ReactNode {
  const [ciphertext, setCiphertext] = useState('');
  const [context, setContext] = useState('');
  const [claims, setClaims] = useState<Claims>({});
  const lines = contextOf(context);
  const encryptionContext = 'context' in lines ? lines.context : {};
  const shared = { tenant, encryptionContext, headers: headersOf(claims), isReady: 'context' in lines };
  return (
    <>
      <h2>Try it</h2>
      <p>Use made-up text. The calls are real: they use the customer's key and are in the audit log.</p>
      <div className="form">
        <Field
          label="Encryption context"
          hint="One name=value a line. Decrypting needs the same."
          error={'wrongLine' in lines ? `“${lines.wrongLine}” is not name=value` : undefined}
        >
          {(ids) => <textarea {...ids} rows={3} value={context} onChange={({ target }) => setContext(target.value)} />}
        </Field>
        {tenant.requiredAccess?.map((claim) => (
          <Field key={claim} label={`Access ${claim}`} hint="This tenant requires it of every call.">
            {(ids) => (
              <input
                {...ids}
                value={claims[claim] ?? ''}
                onChange={({ target }) => setClaims({ ...claims, [claim]: target.value })}
              />
            )}
          </Field>
        ))}
      </div>
      <div className="columns">
        <Encrypt {...shared} onCiphertext={setCiphertext} />
        <Decrypt {...shared} ciphertext={ciphertext} onCiphertext={setCiphertext} />
      </div>
    </>
  );
}

type Claims = Readonly<Record<string, string>>;

const headersOf = (claims: Claims): Claims =>
  Object.fromEntries(
    Object.entries(claims)
      .filter(([, value]) => value !== '')
      .map(([claim, value]) => [`Access-${claim}`, value]),
  );

interface TrialProps {
  readonly tenant: Tenant;
  readonly encryptionContext: Readonly<Record<string, string>>;
  readonly headers: Claims;
  readonly isReady: boolean;
  onCiphertext(ciphertext: string): void;
}

function Encrypt({ tenant, encryptionContext, headers, isReady, onCiphertext }: TrialProps): ReactNode {
  const api = useApi();
  const [text, setText] = useState('');
  const [key, setKey] = useState('');
  const plaintext = new TextEncoder().encode(text);
  const encrypt = useMutation({
    mutationFn: () =>
      api.json<EncryptResult>(tenantPath(tenant.id, '/encrypt'), {
        method: 'POST',
        headers,
        body: { plaintext: plaintext.toBase64(), encryptionContext, ...(key === '' ? {} : { key }) },
      }),
    onSuccess: ({ ciphertext }) => onCiphertext(ciphertext),
  });
  const aliases = Object.entries(tenant.keys).filter(([, { use }]) => use === 'data');
  return (
    <form
      onSubmit={(event) => {
        event.preventDefault();
        encrypt.mutate();
      }}
    >
      <h3>Encrypt</h3>
      <Field label="Text">
        {(ids) => <textarea {...ids} rows={4} required value={text} onChange={({ target }) => setText(target.value)} />}
      </Field>
      <div className="row">
        <Field label="Key">
          {(ids) => (
            <select {...ids} value={key} onChange={({ target }) => setKey(target.value)}>
              <option value="">by the record's rules</option>
              {aliases.map(([alias]) => (
                <option key={alias}>{alias}</option>
              ))}
            </select>
          )}
        </Field>
        <button type="submit" className="primary" disabled={!isReady || encrypt.isPending}>
          Encrypt
        </button>
      </div>
      {encrypt.error && <Failure error={encrypt.error} />}
      {encrypt.data && <Message result={encrypt.data} plaintextBytes={plaintext.length} />}
    </form>
  );
}

const Message = ({ result, plaintextBytes }: { result: EncryptResult; plaintextBytes: number }): ReactNode => (
  <>
    <Facts
      facts={[
        ['Key', <KeyName key="key" keyId={result.keyId} />],
        [
          'Size',
          `${plaintextBytes} bytes of text, ${result.ciphertext.length.toLocaleString()} characters of ciphertext`,
        ],
      ]}
    />
    <h4>Protected header</h4>
    <pre>{JSON.stringify(messageHeader(result.ciphertext), undefined, 2)}</pre>
    <h4>Ciphertext</h4>
    <Copyable text={result.ciphertext} what="the ciphertext" />
  </>
);

function Decrypt(props: TrialProps & { readonly ciphertext: string }): ReactNode {
  const { tenant, encryptionContext, headers, isReady, ciphertext, onCiphertext } = props;
  const api = useApi();
  const decrypt = useMutation({
    mutationFn: () =>
      api.json<DecryptResult>(tenantPath(tenant.id, '/decrypt'), {
        method: 'POST',
        headers,
        body: { ciphertext: ciphertext.trim(), encryptionContext },
      }),
  });
  return (
    <form
      onSubmit={(event) => {
        event.preventDefault();
        decrypt.mutate();
      }}
    >
      <h3>Decrypt</h3>
      <Field label="Ciphertext">
        {(ids) => (
          <textarea
            {...ids}
            rows={4}
            required
            className="code"
            spellCheck={false}
            value={ciphertext}
            onChange={({ target }) => onCiphertext(target.value)}
          />
        )}
      </Field>
      <p className="row">
        <button type="submit" className="primary" disabled={!isReady || decrypt.isPending}>
          Decrypt
        </button>
      </p>
      {decrypt.error && <Failure error={decrypt.error} />}
      {decrypt.data && (
        <Notice kind="success" title="Decrypted">
          <p className="break text">{textOf(decrypt.data.plaintext)}</p>
          <p>
            <KeyName keyId={decrypt.data.keyId} />
          </p>
        </Notice>
      )}
    </form>
  );
}

/** Returns the text, or the base64 of bytes that are none. */
function textOf(base64: string): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(Uint8Array.fromBase64(base64));
  } catch {
    return base64;
  }
}
