/** This notebook: its tracked cells in order, and the graph of where their data came from. */

import * as React from 'react';
import { metrics } from '../card';
import { count, cut, lastName, seconds, shape, value, when } from '../format';
import type { NotebookModel } from '../model/notebookModel';
import type { ICell, IDataUse } from '../nouns';
import { useDesk } from './desk';
import { Graph } from './graph';
import { Button, Chip, Code, Empty, Frame, Section, Text, useModel } from './parts';

export function NotebookView(props: { model: NotebookModel }): JSX.Element {
  const model = useModel(props.model);
  if (model.path === null) {
    return (
      <Empty title="No notebook is open">
        <p>Open one: its tracked cells are shown here, live.</p>
      </Empty>
    );
  }
  return <Frame model={model}>{() => <Cells model={model} />}</Frame>;
}

function Cells(props: { model: NotebookModel }): JSX.Element {
  const { model } = props;
  const cells = model.notebook?.cells ?? [];
  if (cells.length === 0) {
    return (
      <Empty title="Nothing of this notebook is recorded yet">
        <p>
          Click <b>Track</b> in the notebook’s toolbar, or run <Code>%load_ext nbops</Code> and{' '}
          <Code>%nbops auto on</Code>. To track one cell alone, begin it with <Code>%%track</Code>.
        </p>
      </Empty>
    );
  }
  const troubled = cells.filter(c => c.badges.length > 0).length;
  return (
    <>
      <p className="nbops-quiet" role="status">
        {count(cells.length, 'tracked cell')}
        {troubled > 0 ? ` · ${count(troubled, 'cell')} to look at` : ''}
      </p>
      <ol className="nbops-Cells">
        {cells.map(cell => (
          <Cell key={`${cell.run}/${cell.seq}`} cell={cell} active={cell.cell_id === model.activeCell} />
        ))}
      </ol>
      <Section
        title="Lineage"
        aside={
          <Button onClick={() => model.toggleGraph()} pressed={model.graphOpen}>
            {model.graphOpen ? 'Hide' : 'Show the graph'}
          </Button>
        }
      >
        {model.graphOpen && <Lineage model={model} />}
      </Section>
    </>
  );
}

function Cell(props: { cell: ICell; active: boolean }): JSX.Element {
  const { cell, active } = props;
  const desk = useDesk();
  const place = cell.index === null ? 'not in the notebook any more' : `cell ${cell.index + 1}`;
  const title = cell.source_name ? `${cell.source_name} · ${place}` : place;
  return (
    <li className="nbops-Cell" data-status={cell.status} aria-current={active ? 'true' : undefined}>
      <button
        type="button"
        className="nbops-Cell-head"
        disabled={cell.cell_id === null || cell.index === null}
        onClick={() => cell.cell_id !== null && desk.showCell(cell.cell_id)}
        title={cell.index === null ? 'This cell is not in the notebook any more' : 'Scroll to this cell'}
      >
        <span className="nbops-Cell-count">[{cell.execution_count ?? ' '}]</span>
        <Text className="nbops-Cell-title">{cut(title)}</Text>
        <span className="nbops-quiet" title={`nbops took ${seconds(cell.overhead_s)} of its own`}>
          {seconds(cell.seconds)} · {when(cell.started_at)}
        </span>
      </button>
      {cell.badges.length > 0 && (
        <p className="nbops-chips">
          {cell.badges.map(badge => (
            <Chip key={badge} kind={badge} title={cell.badge_why[badge]}>
              {badge}
            </Chip>
          ))}
          <span className="nbops-quiet">
            <bdi>{cut(whys(cell), 200)}</bdi>
          </span>
        </p>
      )}
      {cell.error && (
        <p className="nbops-Cell-error">
          <bdi>{cut(cell.error, 300)}</bdi>
        </p>
      )}
      <Facts cell={cell} />
    </li>
  );
}

/** What its badges say; the error stands below them. */
function whys(cell: ICell): string {
  return cell.badges
    .filter(b => b !== 'failed' || !cell.error)
    .map(b => cell.badge_why[b])
    .filter(Boolean)
    .join(' · ');
}

function Facts(props: { cell: ICell }): JSX.Element {
  const { cell } = props;
  const facts: [string, string[]][] = [
    ['metrics', metrics(cell)],
    ['parameters', Object.entries(cell.params).map(([k, v]) => `${k} = ${value(v)}`)],
    ['models', cell.models.map(m => `${m.name}: ${lastName(m.type)}`)],
    ['data in', cell.reads.map(said)],
    ['data out', cell.writes.map(said)],
    ['files', cell.files.map(f => `${f.path}${f.mode === 'read' ? '' : ' (written)'}`)],
    ['notes', cell.notes]
  ];
  return (
    <dl className="nbops-Facts">
      {facts
        .filter(([, entries]) => entries.length > 0)
        .map(([label, entries]) => (
          <React.Fragment key={label}>
            <dt>{label}</dt>
            <dd>
              {entries.slice(0, 8).map((entry, i) => (
                <React.Fragment key={i}>
                  {i > 0 && ' · '}
                  <Text>{cut(entry, 120)}</Text>
                </React.Fragment>
              ))}
              {entries.length > 8 && ` · and ${entries.length - 8} more`}
            </dd>
          </React.Fragment>
        ))}
    </dl>
  );
}

function said(use: IDataUse): string {
  const size = shape(use.fingerprint?.shape ?? use.shape);
  return size ? `${use.name} ${size}` : use.name;
}

function Lineage(props: { model: NotebookModel }): JSX.Element {
  const { graph } = props.model;
  const desk = useDesk();
  const [selected, setSelected] = React.useState<string | null>(null);
  if (props.model.graphError !== null) {
    return (
      <p className="nbops-Cell-error" role="alert">
        <Text>{cut(props.model.graphError, 400)}</Text>
      </p>
    );
  }
  if (graph === null || graph.nodes.length === 0) {
    return (
      <p className="nbops-quiet">Nothing is connected yet: run a tracked cell that reads or makes data.</p>
    );
  }
  const chosen = graph.nodes.find(n => n.id === selected);
  const here = ` of ${props.model.notebook?.notebook}`; // cells of this notebook needn't say so
  return (
    <>
      <Graph
        label="Lineage of this notebook"
        nodes={graph.nodes.map(n => ({ id: n.id, label: n.label.replace(here, ''), kind: n.kind }))}
        arrows={graph.edges.filter(e => e.kind !== 'holds').map(e => [e.source, e.target])}
        selected={selected}
        onClick={id => {
          setSelected(id === selected ? null : id);
          const cell = graph.nodes.find(n => n.id === id)?.detail.cell_id;
          if (typeof cell === 'string') {
            desk.showCell(cell);
          }
        }}
      />
      {graph.cut && <p className="nbops-quiet">The graph is too large to be shown whole.</p>}
      {chosen && (
        <dl className="nbops-Facts" aria-label="The chosen node">
          <dt>{chosen.kind}</dt>
          <dd>
            <Text>{cut(chosen.label, 200)}</Text>
          </dd>
          {Object.entries(chosen.detail)
            .filter(([, v]) => v !== null && v !== '')
            .map(([k, v]) => (
              <React.Fragment key={k}>
                <dt>{k}</dt>
                <dd>
                  <Text>{value(v)}</Text>
                </dd>
              </React.Fragment>
            ))}
        </dl>
      )}
    </>
  );
}
