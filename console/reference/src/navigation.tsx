import { type FormEvent, type ReactNode, useEffect, useRef, useState } from 'react';
import { Field } from '../../src/parts/field.tsx';
import type { Operation } from './contract.ts';
import { usePage } from './page-context.ts';
import { Method } from './parts/method.tsx';
import { matches } from './search.ts';

/** The operations by tag, with a search. On a narrow screen a button opens the list. */
export function Navigation({ current }: { current: string | undefined }): ReactNode {
  const { contract, operations } = usePage();
  const [query, setQuery] = useState('');
  const [isOpen, setOpen] = useState(false);
  const search = useRef<HTMLInputElement>(null);
  const found = operations.filter((operation) => matches(operation, query));
  useEffect(() => {
    const onKey = (event: KeyboardEvent): void => {
      if (event.key !== '/' || event.ctrlKey || event.metaKey || isTyping(event.target)) return;
      event.preventDefault();
      search.current?.focus();
    };
    addEventListener('keydown', onKey);
    return () => removeEventListener('keydown', onKey);
  }, []);
  const openFirst = (event: FormEvent): void => {
    event.preventDefault();
    const [first] = found;
    if (!first) return;
    location.hash = first.id;
    setOpen(false);
  };
  return (
    <nav className="operations" aria-label="Operations">
      <search>
        <form onSubmit={openFirst}>
          <Field label="Search" hint="/ jumps here, Enter opens the first.">
            {(ids) => (
              <input
                {...ids}
                ref={search}
                type="search"
                value={query}
                onChange={({ target }) => {
                  setQuery(target.value);
                  setOpen(target.value !== '');
                }}
              />
            )}
          </Field>
          <span role="status" className="quiet">
            {query !== '' && `${found.length} of ${operations.length} operations`}
          </span>
          <button type="button" className="opener" aria-expanded={isOpen} onClick={() => setOpen(!isOpen)}>
            {isOpen ? 'Hide the operations' : 'Show the operations'}
          </button>
        </form>
      </search>
      <div className={isOpen ? 'list open' : 'list'}>
        {contract.tags.map(({ name }) => (
          <Group
            key={name}
            name={name}
            operations={found.filter(({ tag }) => tag === name)}
            current={current}
            onOpen={() => setOpen(false)}
          />
        ))}
      </div>
    </nav>
  );
}

interface GroupProps {
  readonly name: string;
  readonly operations: readonly Operation[];
  readonly current: string | undefined;
  readonly onOpen: () => void;
}

const Group = ({ name, operations, current, onOpen }: GroupProps): ReactNode =>
  operations.length > 0 && (
    <>
      <h2>{name}</h2>
      <ul>
        {operations.map(({ id, method, summary }) => (
          <li key={id}>
            <a href={`#${id}`} aria-current={id === current ? 'page' : undefined} onClick={onOpen}>
              <Method method={method} /> <span>{summary}</span>
            </a>
          </li>
        ))}
      </ul>
    </>
  );

const isTyping = (target: EventTarget | null): boolean =>
  target instanceof HTMLElement && target.matches('input, textarea, select, dialog *');
