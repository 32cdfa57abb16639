/** The registry: models, their versions, what stood for what on which day; a promotion; roll back; approvals. */

import * as React from 'react';
import { count, cut, lastName, number, shortId, when } from '../format';
import type { ModelsModel } from '../model/modelsModel';
import type { IApproval, IModel, IModelRow, IPromotion, IStore, IVersion } from '../nouns';
import { useDesk } from './desk';
import { GatesReport, gatesInWords, Promote } from './promote';
import { Back, Button, Chip, Code, Empty, Frame, Section, Text, useModel } from './parts';

interface IProps {
  model: ModelsModel;
  can: IStore['can'];
  deployments: string[];
}

export function ModelsView(props: IProps): JSX.Element {
  const model = useModel(props.model);
  if (model.promoting) {
    return (
      <Promote model={model} promoting={model.promoting} deployments={props.deployments} can={props.can} />
    );
  }
  return (
    <Frame model={model}>
      {() => (model.opened ? <OneModel {...props} opened={model.opened} /> : <Registry {...props} />)}
    </Frame>
  );
}

function Registry(props: IProps): JSX.Element {
  const { model, can } = props;
  if (model.models.length === 0 && model.approvals.length === 0) {
    return (
      <Empty title="No model is registered yet">
        <p>
          Fit one in a tracked cell, then click <b>Promote</b> in the notebook’s toolbar, or run{' '}
          <Code>nbops promote NOTEBOOK --name DEPLOYMENT</Code>.
        </p>
      </Empty>
    );
  }
  return (
    <>
      {model.approvals.length > 0 && (
        <Section title="Waiting for approval">
          <ul className="nbops-List">
            {model.approvals.map(approval => (
              <Approval key={approval.id} model={model} approval={approval} can={can} />
            ))}
          </ul>
        </Section>
      )}
      <table className="nbops-Table" aria-label="Models">
        <thead>
          <tr>
            <th scope="col">model</th>
            <th scope="col">versions</th>
            <th scope="col">aliases</th>
            <th scope="col">newest</th>
          </tr>
        </thead>
        <tbody>
          {model.models.map(row => (
            <Row key={row.name} row={row} onOpen={() => void model.open(row.name)} />
          ))}
        </tbody>
      </table>
    </>
  );
}

function Row(props: { row: IModelRow; onOpen: () => void }): JSX.Element {
  const { row } = props;
  const newest = row.versions[row.versions.length - 1];
  return (
    <tr>
      <th scope="row">
        <button type="button" className="nbops-Link" onClick={props.onOpen}>
          <Text>{cut(row.name, 60)}</Text>
        </button>
      </th>
      <td>{row.versions.length}</td>
      <td>
        <Aliases aliases={row.aliases} />
      </td>
      <td className="nbops-anywhere">
        {newest ? `${lastName(newest.type)}, ${when(newest.created_at)}` : '–'}
      </td>
    </tr>
  );
}

function Aliases(props: { aliases: { [alias: string]: number }; version?: number }): JSX.Element {
  const shown = Object.entries(props.aliases).filter(
    ([, v]) => props.version === undefined || v === props.version
  );
  return (
    <span className="nbops-chips">
      {shown.map(([alias, version]) => (
        <Chip key={alias} kind={alias === 'production' ? 'ok' : 'alias'}>
          {props.version === undefined ? `${cut(alias, 30)} → ${version}` : cut(alias, 30)}
        </Chip>
      ))}
    </span>
  );
}

function Approval(props: { model: ModelsModel; approval: IApproval; can: IStore['can'] }): JSX.Element {
  const { model, approval, can } = props;
  const desk = useDesk();
  const decide = async (approve: boolean) => {
    const why = await desk.ask(
      approve ? 'Approve this promotion' : 'Reject this promotion',
      'Why? It is recorded.'
    );
    if (why !== null) {
      await model.decide(approval.id, approve, why);
    }
  };
  return (
    <li>
      <Text>{cut(approval.model, 60)}</Text> to be {cut(approval.alias, 40)}{' '}
      <span className="nbops-quiet">
        asked for by <bdi>{cut(approval.by, 40)}</bdi> {when(approval.at)}
      </span>
      <GatesReport results={approval.results} />
      <div className="nbops-row">
        <Button primary disabled={!can.approve} onClick={() => void decide(true)}>
          Approve …
        </Button>
        <Button danger disabled={!can.approve} onClick={() => void decide(false)}>
          Reject …
        </Button>
        {!can.approve && <span className="nbops-quiet">you may not approve</span>}
      </div>
    </li>
  );
}

function OneModel(props: IProps & { opened: IModel }): JSX.Element {
  const { model, opened, can } = props;
  const desk = useDesk();
  const rollBack = async (deployment: string, to?: number) => {
    const target = to === undefined ? 'the version before' : `version ${to}`;
    const sure = await desk.confirm(
      `Roll ${deployment} back?`,
      `${deployment} then runs ${target} of ${opened.name}. This is recorded in its history, and can be undone by promoting again.`,
      'Roll back'
    );
    if (sure) {
      await model.rollBack(deployment, to);
    }
  };
  return (
    <article aria-label={`Model ${opened.name}`}>
      <Back to="Models" onClick={() => void model.open(null)} />
      <h2 className="nbops-Title">
        <Text>{cut(opened.name, 80)}</Text>{' '}
        <span className="nbops-quiet">{count(opened.versions.length, 'version')}</span>
      </h2>
      {opened.deployments.map(name => (
        <div key={name} className="nbops-row">
          <span>
            deployed as <Text>{cut(name, 60)}</Text>
            {name in opened.pinned && `, pinned to version ${opened.pinned[name]}`}
          </span>
          {!(name in opened.pinned) && (
            <Button
              danger
              disabled={!can.rollback || opened.versions.length < 2}
              title={can.rollback ? undefined : 'You may not roll back on this server'}
              onClick={() => void rollBack(name)}
            >
              Roll back …
            </Button>
          )}
        </div>
      ))}
      <Section title="Versions">
        <ul className="nbops-List">
          {[...opened.versions].reverse().map(version => (
            <Version key={version.number} model={model} opened={opened} version={version} />
          ))}
        </ul>
      </Section>
      <OnADay model={model} aliases={Object.keys(opened.aliases)} />
      <Section title="History">
        <History history={opened.history} />
      </Section>
    </article>
  );
}

function Version(props: { model: ModelsModel; opened: IModel; version: IVersion }): JSX.Element {
  const { model, opened, version } = props;
  const open = model.card?.version === version.number;
  const metrics = Object.entries(version.metrics).map(([name, v]) => `${cut(name, 40)} ${number(v)}`);
  return (
    <li aria-label={`Version ${version.number}`}>
      <span className="nbops-row">
        <b>version {version.number}</b>
        <Aliases aliases={opened.aliases} version={version.number} />
        <span title={version.type}>{cut(lastName(version.type), 50)}</span>
        <Button pressed={open} onClick={() => void model.showCard(version.number)}>
          Card
        </Button>
      </span>
      <span className="nbops-quiet">
        <bdi>{metrics.slice(0, 4).join(' · ')}</bdi>
        {metrics.length > 0 && ' · '}
        made {when(version.created_at)} by <bdi>{cut(version.created_by, 30)}</bdi>
      </span>
      {open && model.card && <Card markdown={model.card.card.markdown} />}
    </li>
  );
}

/** The model card: through Lab's own Markdown renderer, which sanitizes; as text where there is none. */
function Card(props: { markdown: string }): JSX.Element {
  const host = React.useRef<HTMLDivElement>(null);
  const { markdown } = useDesk();
  React.useEffect(() => {
    if (host.current && markdown) {
      return markdown(props.markdown, host.current);
    }
  }, [props.markdown, markdown]);
  return markdown ? (
    <div className="nbops-ModelCard" ref={host} />
  ) : (
    <pre className="nbops-ModelCard">{props.markdown.slice(0, 20_000)}</pre>
  );
}

function OnADay(props: { model: ModelsModel; aliases: string[] }): JSX.Element {
  const { model, aliases } = props;
  const names = aliases.length > 0 ? aliases : ['production'];
  const [date, setDate] = React.useState('');
  const [alias, setAlias] = React.useState(names.includes('production') ? 'production' : names[0]!);
  const { at } = model;
  return (
    <Section title="On a day">
      <form
        className="nbops-row"
        onSubmit={event => {
          event.preventDefault();
          void model.askAt(date, alias);
        }}
      >
        <label>
          What was{' '}
          <select
            className="nbops-Input"
            value={alias}
            onChange={event => setAlias(event.target.value)}
            aria-label="Alias"
          >
            {names.map(name => (
              <option key={name}>{name}</option>
            ))}
          </select>{' '}
          on
        </label>
        <input
          type="date"
          className="nbops-Input"
          aria-label="Day"
          value={date}
          required
          onChange={event => setDate(event.target.value)}
        />
        <button type="submit" className="nbops-Button" disabled={!date}>
          Ask
        </button>
      </form>
      {at && (
        <p role="status">
          {at.version === null
            ? `Nothing was ${at.alias} on ${at.date}.`
            : `Version ${at.version} was ${at.alias} on ${at.date}.`}
        </p>
      )}
    </Section>
  );
}

function History(props: { history: IPromotion[] }): JSX.Element {
  const newest = [...props.history].sort((a, b) => b.at.localeCompare(a.at));
  if (newest.length === 0) {
    return <p className="nbops-quiet">No alias has been moved yet.</p>;
  }
  return (
    <ul className="nbops-List">
      {newest.slice(0, 200).map(p => (
        <li key={p.id}>
          <Chip kind={p.action}>{p.action}</Chip> <bdi>{p.alias}</bdi>{' '}
          {p.from_version === p.to_version
            ? `stays ${p.from_version ?? 'empty'}`
            : `${p.from_version ?? '–'} → ${p.to_version ?? '–'}`}{' '}
          <span className="nbops-quiet">
            {when(p.at)} by <bdi>{cut(p.by, 40)}</bdi>
            {p.run ? ` · run ${shortId(p.run)}` : ''}
          </span>
          {p.results.length > 0 && (
            <details>
              <summary>{gatesInWords(p.results)}</summary>
              <GatesReport results={p.results} />
            </details>
          )}
        </li>
      ))}
    </ul>
  );
}
