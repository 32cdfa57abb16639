/** Runs side by side: what differs is marked; curves, scatter, parallel coordinates; the diff of two. */

import * as React from 'react';
import { curves, parallel, scatter } from '../charts';
import { cut, number, shortId, value } from '../format';
import type { IComparisonShown } from '../model/runsModel';
import type { IChange, IComparison } from '../nouns';
import { num, type Json } from '../wire';
import { Chart } from './chart';
import { Back, Chip, Section, Text } from './parts';

const MOST_AXES = 10;

export function Comparison(props: { shown: IComparisonShown; onClose: () => void }): JSX.Element {
  const { shown } = props;
  const { comparison } = shown;
  const names = namesOf(comparison);
  const [onlyDiffering, setOnlyDiffering] = React.useState(true);
  return (
    <article aria-label="Comparison of runs">
      <Back to="Runs" onClick={props.onClose} />
      <h2 className="nbops-Title">{comparison.runs.length} runs compared</h2>
      <label className="nbops-row">
        <input type="checkbox" checked={onlyDiffering} onChange={() => setOnlyDiffering(!onlyDiffering)} />
        only what differs
      </label>
      <SideBySide comparison={comparison} names={[...names.values()]} onlyDiffering={onlyDiffering} />
      <Curves shown={shown} names={names} />
      <Scatter comparison={comparison} names={[...names.values()]} />
      <Parallel comparison={comparison} names={[...names.values()]} />
      {comparison.diff && <Diff changes={comparison.diff.changes} notes={comparison.diff.notes} />}
    </article>
  );
}

/** Names that tell the runs apart: with the end of the id where several go by one name. */
function namesOf(comparison: IComparison): Map<string, string> {
  const runs = comparison.runs.map(r => r.run);
  return new Map(
    runs.map(run => {
      const alone = runs.filter(other => other.name === run.name).length === 1;
      return [run.id, alone ? cut(run.name, 30) : `${cut(run.name, 20)} ${shortId(run.id)}`];
    })
  );
}

function SideBySide(props: {
  comparison: IComparison;
  names: string[];
  onlyDiffering: boolean;
}): JSX.Element {
  const { comparison, names, onlyDiffering } = props;
  const rows = (of: 'params' | 'metrics') =>
    Object.entries(comparison[of] as { [name: string]: Json[] })
      .filter(([name]) => !onlyDiffering || comparison.differing[of].includes(name))
      .map(([name, values]) => ({ name, values, differs: comparison.differing[of].includes(name), of }));
  const all = [...rows('metrics'), ...rows('params')];
  if (all.length === 0) {
    return <p className="nbops-quiet">Parameters and metrics are the same.</p>;
  }
  return (
    <div className="nbops-scroll">
      <table className="nbops-Table">
        <thead>
          <tr>
            <th scope="col" />
            {names.map((name, i) => (
              <th key={i} scope="col" title={comparison.runs[i]!.run.id}>
                <bdi>{name}</bdi>
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {all.map(row => (
            <tr key={`${row.of}.${row.name}`} data-differs={row.differs && !onlyDiffering}>
              <th scope="row">
                {row.differs && !onlyDiffering && <span title="differs">≠ </span>}
                <Text>{cut(row.name, 40)}</Text>{' '}
                <span className="nbops-quiet">{row.of === 'params' ? 'parameter' : 'metric'}</span>
              </th>
              {row.values.map((v, i) => (
                <td key={i}>
                  {v === null || v === undefined ? (
                    '–'
                  ) : row.of === 'metrics' ? (
                    number(v as number)
                  ) : (
                    <Text>{value(v)}</Text>
                  )}
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

function Curves(props: { shown: IComparisonShown; names: Map<string, string> }): JSX.Element | null {
  const { shown, names } = props;
  const stepped = [
    ...new Set(
      shown.curves.flatMap(c =>
        Object.entries(c.curves)
          .filter(([, points]) => points.length > 1)
          .map(([name]) => name)
      )
    )
  ].sort();
  const [chosen, setChosen] = React.useState<string | null>(null);
  const metric = chosen ?? stepped[0];
  if (metric === undefined) {
    return null;
  }
  return (
    <Section
      title="Curves"
      aside={<Choice label="Metric" of={stepped} chosen={metric} onChoose={setChosen} />}
    >
      <Chart
        label={`${metric} by step`}
        spec={curves(shown, metric, names)}
        table={{
          head: ['run', 'step', metric],
          rows: shown.curves.flatMap(c =>
            (c.curves[metric] ?? []).map(([step, v]) => [
              names.get(c.run) ?? c.run,
              String(step ?? ''),
              number(v)
            ])
          )
        }}
      />
    </Section>
  );
}

/** What of a comparison is a number for every run, by its name with what it is. */
function figures(comparison: IComparison): Map<string, (number | null)[]> {
  const found = new Map<string, (number | null)[]>();
  const take = (name: string, values: Json[]) => {
    const numbers = values.map(v => {
      const x = typeof v === 'boolean' ? NaN : num(v as number);
      return Number.isFinite(x) ? x : null;
    });
    if (numbers.filter(n => n !== null).length > 1) {
      found.set(name, numbers);
    }
  };
  Object.entries(comparison.params).forEach(([name, values]) => take(name, values));
  Object.entries(comparison.metrics).forEach(([name, values]) => take(name, values as Json[]));
  return found;
}

function Scatter(props: { comparison: IComparison; names: string[] }): JSX.Element | null {
  const { comparison, names } = props;
  const found = figures(comparison);
  const all = [...found.keys()];
  const differing = [...comparison.differing.params, ...comparison.differing.metrics].filter(n =>
    found.has(n)
  );
  const [x, setX] = React.useState<string | null>(null);
  const [y, setY] = React.useState<string | null>(null);
  const metric = comparison.differing.metrics.find(n => found.has(n)) ?? all[all.length - 1];
  const across = x ?? differing.find(n => n !== metric) ?? all[0];
  const up = y ?? metric;
  if (across === undefined || up === undefined || all.length < 2) {
    return null;
  }
  const points = names.map((run, i) => ({
    run,
    x: found.get(across)![i] ?? null,
    y: found.get(up)![i] ?? null
  }));
  return (
    <Section
      title="Scatter"
      aside={
        <>
          <Choice label="Across" of={all} chosen={across} onChoose={setX} />
          <Choice label="Up" of={all} chosen={up} onChoose={setY} />
        </>
      }
    >
      <Chart
        label={`${up} against ${across}`}
        spec={scatter(points, across, up)}
        table={{
          head: ['run', across, up],
          rows: points.map(p => [p.run, number(p.x ?? 'f:nan'), number(p.y ?? 'f:nan')])
        }}
      />
    </Section>
  );
}

function Parallel(props: { comparison: IComparison; names: string[] }): JSX.Element | null {
  const { comparison, names } = props;
  const axes = [
    ...comparison.differing.params.map(name => ({ name, values: comparison.params[name] ?? [] })),
    ...comparison.differing.metrics.map(name => ({
      name,
      values: (comparison.metrics[name] ?? []) as Json[]
    }))
  ].slice(0, MOST_AXES);
  if (axes.length < 2) {
    return null;
  }
  return (
    <Section title="Parallel coordinates">
      <Chart
        label={`Runs across ${axes.map(a => a.name).join(', ')}`}
        spec={parallel(names, axes)}
        table={{
          head: ['run', ...axes.map(a => a.name)],
          rows: names.map((run, i) => [run, ...axes.map(a => value(a.values[i] ?? null))])
        }}
      />
    </Section>
  );
}

function Choice(props: {
  label: string;
  of: string[];
  chosen: string;
  onChoose: (name: string) => void;
}): JSX.Element {
  return (
    <label className="nbops-Choice">
      {props.label}{' '}
      <select
        className="nbops-Input"
        value={props.chosen}
        onChange={event => props.onChoose(event.target.value)}
      >
        {props.of.map(name => (
          <option key={name} value={name}>
            {cut(name, 40)}
          </option>
        ))}
      </select>
    </label>
  );
}

function Diff(props: { changes: IChange[]; notes: string[] }): JSX.Element {
  const other = props.changes.filter(c => c.what !== 'parameter' && c.what !== 'metric');
  return (
    <Section title="Data, code, environment">
      {other.length === 0 && <p className="nbops-quiet">The same.</p>}
      <ul className="nbops-List">
        {other.map((change, i) => (
          <li key={i}>
            <Chip kind={change.what}>{change.what}</Chip> <Text>{cut(change.name, 80)}</Text>{' '}
            {change.why ? <Text>{cut(change.why, 300)}</Text> : <Values a={change.a} b={change.b} />}
            {change.detail && <Lines text={change.detail} />}
          </li>
        ))}
      </ul>
      {props.notes.map((note, i) => (
        <p key={i} className="nbops-quiet">
          <bdi>{note}</bdi>
        </p>
      ))}
    </Section>
  );
}

function Values(props: { a: Json; b: Json }): JSX.Element {
  return (
    <span>
      <Text>{value(props.a)}</Text> → <Text>{value(props.b)}</Text>
    </span>
  );
}

/** A unified diff: added and removed lines by colour and by their first letter. */
function Lines(props: { text: string }): JSX.Element {
  const kinds: { [first: string]: string } = { '+': 'added', '-': 'removed', '@': 'place' };
  return (
    <pre className="nbops-Diff">
      {props.text
        .split('\n')
        .slice(0, 1000)
        .map((line, i) => (
          <span key={i} data-kind={kinds[line[0] ?? '']}>
            {cut(line, 400)}
            {'\n'}
          </span>
        ))}
    </pre>
  );
}
