/** Runs: the table; one run opened; several compared. */

import * as React from 'react';
import { between, bytes, count, cut, number, seconds, shortId, value, when } from '../format';
import type { RunsModel } from '../model/runsModel';
import type { IMetric, IRunDetail, IRunRow } from '../nouns';
import { Comparison } from './compare';
import { useDesk } from './desk';
import { Grid, type IColumn } from './grid';
import { Back, Button, Chip, Code, Empty, Frame, Progress, Section, Status, Text, useModel } from './parts';

export function RunsView(props: { model: RunsModel }): JSX.Element {
  const model = useModel(props.model);
  if (model.compared) {
    return <Comparison shown={model.compared} onClose={() => model.closeComparison()} />;
  }
  if (model.opened) {
    return <OneRun model={model} detail={model.opened} />;
  }
  return (
    <>
      <FilterLine model={model} />
      <Frame model={model}>{() => <Table model={model} />}</Frame>
    </>
  );
}

function FilterLine(props: { model: RunsModel }): JSX.Element {
  const { model } = props;
  const [text, setText] = React.useState(model.filter);
  const [choosing, setChoosing] = React.useState(false);
  const waiting = React.useRef<number>();
  React.useEffect(() => () => window.clearTimeout(waiting.current), []);
  const change = (to: string) => {
    setText(to);
    window.clearTimeout(waiting.current);
    waiting.current = window.setTimeout(() => void model.setFilter(to), 250);
  };
  return (
    <div className="nbops-Filter">
      <div className="nbops-row">
        <input
          type="search"
          className="nbops-Input"
          aria-label="Filter the runs"
          aria-invalid={model.filterError !== null}
          aria-describedby={model.filterError ? 'nbops-filter-problem' : undefined}
          placeholder="words, or metrics.mae < 50"
          value={text}
          onChange={event => change(event.target.value)}
        />
        <Button
          pressed={choosing}
          onClick={() => {
            setChoosing(!choosing);
            void model.loadKnown();
          }}
        >
          Columns
        </Button>
      </div>
      {model.filterError && (
        <p id="nbops-filter-problem" className="nbops-Cell-error" role="alert">
          <bdi>{model.filterError}</bdi>
        </p>
      )}
      {choosing && <Columns model={model} />}
      <Selection model={model} />
    </div>
  );
}

function Columns(props: { model: RunsModel }): JSX.Element {
  const { model } = props;
  if (model.known === null) {
    return <Progress label="Looking which there are" />;
  }
  const all = [
    ...model.known.metrics.map(m => `metrics.${m}`),
    ...model.known.params.map(p => `params.${p}`)
  ];
  const chosen = new Set(model.shownColumns);
  return (
    <fieldset className="nbops-Columns">
      <legend>Columns</legend>
      {all.length === 0 && <p className="nbops-quiet">No metric and no parameter has been recorded yet.</p>}
      {all.slice(0, 300).map(name => (
        <label key={name}>
          <input
            type="checkbox"
            checked={chosen.has(name)}
            onChange={() => {
              if (!chosen.delete(name)) {
                chosen.add(name);
              }
              model.setColumns(all.filter(n => chosen.has(n)));
            }}
          />
          <Text>{cut(name, 60)}</Text>
        </label>
      ))}
    </fieldset>
  );
}

function Selection(props: { model: RunsModel }): JSX.Element {
  const { model } = props;
  const n = model.selected.size;
  return (
    <div className="nbops-row nbops-Selection">
      <span className="nbops-quiet" role="status">
        {count(model.total, 'run')}
        {n > 0 ? ` · ${n} selected` : ''}
      </span>
      {n > 0 && (
        <>
          <Button primary disabled={n < 2 || model.comparing} onClick={() => void model.compare()}>
            Compare
          </Button>
          <Button onClick={() => model.clearSelection()}>Clear</Button>
        </>
      )}
      {n === 1 && <span className="nbops-quiet">select another to compare</span>}
      {model.comparing && <Progress label="Comparing" />}
    </div>
  );
}

function Table(props: { model: RunsModel }): JSX.Element {
  const { model } = props;
  if (model.loaded && model.total === 0) {
    return model.filter ? (
      <Empty title="No run fits the filter">
        <p>
          Words are looked for in names and ids; values by <Code>metrics.mae &lt; 50</Code>,{' '}
          <Code>params.lr = 0.1</Code>, <Code>status = "FAILED"</Code>, joined by <Code>and</Code>.
        </p>
      </Empty>
    ) : (
      <Empty title="No runs yet">
        <p>
          Track a cell with <Code>%%track NAME</Code>, or run a notebook with <Code>nbops run NOTEBOOK</Code>.
        </p>
      </Empty>
    );
  }
  return (
    <Grid<IRunRow>
      label="Runs"
      columns={columns(model)}
      total={model.total}
      row={index => model.row(index)}
      rowKey={row => row.run.id}
      onSight={(first, last) => model.need(first, last)}
      sort={model.sort}
      descending={model.descending}
      of={model.filter}
      onSort={column => void model.setSort(column)}
      isSelected={row => model.selected.has(row.run.id)}
      onToggle={row => model.toggle(row.run.id)}
      onOpen={row => void model.open(row.run.id)}
    />
  );
}

function columns(model: RunsModel): IColumn<IRunRow>[] {
  const what: IColumn<IRunRow>[] = [
    {
      id: 'name',
      label: 'name',
      width: 120,
      grow: 3,
      draw: row => <Text title={`${row.run.name} · ${row.run.id}`}>{cut(row.run.name)}</Text>
    },
    { id: 'status', label: 'status', width: 84, draw: row => <Status status={row.run.status} /> }
  ];
  const times: IColumn<IRunRow>[] = [
    { id: 'started_at', label: 'started', width: 118, draw: row => when(row.run.started_at) },
    {
      id: 'seconds',
      label: 'took',
      width: 60,
      right: true,
      draw: row => seconds(between(row.run.started_at, row.run.ended_at))
    }
  ];
  const chosen = model.shownColumns.map((id): IColumn<IRunRow> => {
    const [of, name] = [id.slice(0, id.indexOf('.')), id.slice(id.indexOf('.') + 1)];
    return {
      id,
      label: name,
      width: 84,
      grow: 1,
      right: true,
      draw: row => {
        if (of === 'metrics') {
          const metric = row.metrics[name];
          return metric === undefined ? '' : number(metric);
        }
        return name in row.params ? <Text>{value(row.params[name])}</Text> : '';
      }
    };
  });
  return [...what, ...chosen, ...times]; // in a narrow panel the times are out of sight, not the metrics
}

function OneRun(props: { model: RunsModel; detail: IRunDetail }): JSX.Element {
  const { model, detail } = props;
  const { run } = detail;
  const desk = useDesk();
  const path = run.contents_path ?? null;
  return (
    <article aria-label={`Run ${run.name}`}>
      <Back to="Runs" onClick={() => model.close()} />
      <h2 className="nbops-Title">
        <Text>{cut(run.name, 120)}</Text> <Status status={run.status} />
      </h2>
      <dl className="nbops-Facts">
        <dt>id</dt>
        <dd>
          <code title={run.id}>{run.id}</code>
        </dd>
        <dt>kind</dt>
        <dd>{run.kind}</dd>
        <dt>started</dt>
        <dd>
          {when(run.started_at)} · took {seconds(between(run.started_at, run.ended_at))}
        </dd>
        {run.notebook && (
          <>
            <dt>notebook</dt>
            <dd>
              {path === null ? (
                <Text>{run.notebook}</Text>
              ) : (
                <button type="button" className="nbops-Link" onClick={() => desk.openFile(path)}>
                  <Text>{run.notebook}</Text>
                </button>
              )}
            </dd>
          </>
        )}
        {run.tags.length > 0 && (
          <>
            <dt>tags</dt>
            <dd>
              {run.tags.map(tag => (
                <Chip key={tag} kind="tag">
                  {cut(tag, 40)}
                </Chip>
              ))}
            </dd>
          </>
        )}
      </dl>
      {run.error && (
        <p className="nbops-Cell-error">
          <bdi>{cut(run.error, 1000)}</bdi>
        </p>
      )}
      <Pairs title="Metrics" pairs={lastValues(detail.metrics)} />
      <Pairs title="Parameters" pairs={Object.entries(detail.params).map(([k, v]) => [k, value(v)])} />
      {detail.children.length > 0 && (
        <Section title="Parts">
          <ul className="nbops-List">
            {detail.children.map(child => (
              <li key={child.id}>
                <button type="button" className="nbops-Link" onClick={() => void model.open(child.id)}>
                  <Text>{cut(child.name, 80)}</Text>
                </button>{' '}
                <Status status={child.status} /> <span className="nbops-quiet">{shortId(child.id)}</span>
              </li>
            ))}
          </ul>
        </Section>
      )}
      {detail.artifacts.length > 0 && (
        <Section title="Kept">
          <ul className="nbops-List">
            {detail.artifacts.slice(0, 100).map((a, i) => (
              <li key={i}>
                <a
                  href={model.artifactUrl(run.id, a.digest)}
                  target="_blank"
                  rel="noopener noreferrer"
                  download={a.name}
                >
                  <Text>{cut(a.name, 80)}</Text>
                </a>{' '}
                <span className="nbops-quiet">
                  {a.kind} · {bytes(a.size)}
                </span>{' '}
                {a.kind === 'notebook' && (
                  <button
                    type="button"
                    className="nbops-Link"
                    onClick={() => desk.openExecuted(run.id, run.name)}
                  >
                    open
                  </button>
                )}
              </li>
            ))}
          </ul>
        </Section>
      )}
    </article>
  );
}

/** Each metric's values; of a curve its last one, and how many there are. */
function lastValues(metrics: readonly IMetric[]): [string, string][] {
  const steps = new Map<string, number>();
  const last = new Map<string, IMetric>();
  for (const metric of metrics.filter(m => m.step !== null)) {
    steps.set(metric.name, (steps.get(metric.name) ?? 0) + 1);
    last.set(metric.name, metric);
  }
  return metrics
    .filter(m => m.step === null || last.get(m.name) === m)
    .map(m => {
      const of = steps.get(m.name) ?? 1;
      const step =
        m.step === null ? '' : ` (step ${number(m.step)}${of > 1 ? `, last of ${number(of)}` : ''})`;
      return [`${m.name}${step}`, number(m.value)];
    });
}

function Pairs(props: { title: string; pairs: [string, string][] }): JSX.Element | null {
  if (props.pairs.length === 0) {
    return null;
  }
  return (
    <Section title={props.title}>
      <dl className="nbops-Facts">
        {props.pairs.slice(0, 200).map(([k, v], i) => (
          <React.Fragment key={i}>
            <dt title={k}>
              <bdi>{cut(k, 40)}</bdi>
            </dt>
            <dd>
              <Text>{v}</Text>
            </dd>
          </React.Fragment>
        ))}
      </dl>
      {props.pairs.length > 200 && <p className="nbops-quiet">and {props.pairs.length - 200} more</p>}
    </Section>
  );
}
