/** Monitoring: for each deployment how good it was, how its data moved, how it ran, what was said and decided. */

import * as React from 'react';
import { binLabels, distribution, operation, performance } from '../charts';
import { count, cut, number, seconds, when } from '../format';
import type { MonitoringModel } from '../model/monitoringModel';
import type { IDashboard, IDecisionRow, IStore } from '../nouns';
import { num } from '../wire';
import { Chart } from './chart';
import { Back, Button, Chip, Code, Empty, Frame, Progress, Section, Status, Text, useModel } from './parts';

const MOST_PERIODS = 36;

interface IProps {
  model: MonitoringModel;
  can: IStore['can'];
}

export function MonitoringView(props: IProps): JSX.Element {
  const model = useModel(props.model);
  return (
    <Frame model={model}>
      {() => (model.dashboard ? <Dashboard {...props} dashboard={model.dashboard} /> : <List {...props} />)}
    </Frame>
  );
}

function List(props: IProps): JSX.Element {
  const { model } = props;
  if (model.deployments.length === 0) {
    return (
      <Empty title="Nothing is deployed yet">
        <p>
          Promote a model, then score data with it:{' '}
          <Code>nbops score DEPLOYMENT --input FILE --output FOLDER</Code>. For a tour run{' '}
          <Code>nbops demo</Code>.
        </p>
      </Empty>
    );
  }
  return (
    <table className="nbops-Table" aria-label="Deployments">
      <thead>
        <tr>
          <th scope="col">deployment</th>
          <th scope="col">serving</th>
          <th scope="col">scored</th>
          <th scope="col">drift</th>
          <th scope="col">alerts</th>
        </tr>
      </thead>
      <tbody>
        {model.deployments.map(row => (
          <tr key={row.deployment.name}>
            <th scope="row">
              <button
                type="button"
                className="nbops-Link"
                onClick={() => void model.open(row.deployment.name)}
              >
                <Text>{cut(row.deployment.name, 60)}</Text>
              </button>
            </th>
            <td>{row.serving === null ? '–' : `version ${row.serving}`}</td>
            <td>{row.last ? `${row.scored} · last ${cut(row.last.period, 30)}` : row.scored}</td>
            <td>
              <Chip kind={row.severity}>{row.severity}</Chip>
            </td>
            <td>{row.alerts}</td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

function Dashboard(props: IProps & { dashboard: IDashboard }): JSX.Element {
  const { model, dashboard, can } = props;
  const { deployment } = dashboard;
  return (
    <article aria-label={`Deployment ${deployment.name}`}>
      {model.deployments.length > 1 && <Back to="Deployments" onClick={() => void model.open(null)} />}
      <h2 className="nbops-Title">
        <Text>{cut(deployment.name, 80)}</Text>
      </h2>
      <p className="nbops-row">
        <span>
          <Text>{cut(deployment.model, 60)}</Text>{' '}
          {dashboard.serving === null ? 'has no version' : `version ${dashboard.serving}`}
          {deployment.alias ? `, by alias ${deployment.alias}` : ', pinned'}
        </span>
        <Button
          disabled={!can.write || model.ticking}
          onClick={() => void model.tick()}
          title="Look at labels, drift and times now, as nbops tick does"
        >
          Look now
        </Button>
        {model.ticking && <Progress label="Asked" />}
      </p>
      <PerformanceSection dashboard={dashboard} />
      <Drift model={model} dashboard={dashboard} />
      <Operation dashboard={dashboard} />
      <Alerts dashboard={dashboard} />
      <Section title="Decisions">
        <Decisions rows={dashboard.decisions} />
      </Section>
    </article>
  );
}

function PerformanceSection(props: { dashboard: IDashboard }): JSX.Element {
  const { dashboard } = props;
  const metrics = [...new Set(dashboard.performance.flatMap(p => Object.keys(p.metrics)))];
  const [chosen, setChosen] = React.useState<string | null>(null);
  // The one that decides at the gates, where the server says it; a mean error tells more than a bias.
  const usual = [dashboard.metric, 'mean_absolute_error', 'accuracy'].find(m => m && metrics.includes(m));
  const metric = chosen ?? usual ?? metrics[0];
  const { waiting } = dashboard;
  return (
    <Section
      title="Performance"
      aside={
        metrics.length > 1 && (
          <select
            className="nbops-Input"
            aria-label="Metric"
            value={metric}
            onChange={event => setChosen(event.target.value)}
          >
            {metrics.map(m => (
              <option key={m}>{m}</option>
            ))}
          </select>
        )
      }
    >
      {metric === undefined ? (
        <p className="nbops-quiet">
          No labels yet, so nobody knows how good the predictions were. Add them:{' '}
          <Code>nbops labels add DEPLOYMENT --input FILE</Code>
        </p>
      ) : (
        <Chart
          label={`Realised ${metric} by period`}
          spec={performance(dashboard, metric)}
          table={{
            head: ['period', 'version', metric, 'with label', 'scored'],
            rows: dashboard.performance.map(p => [
              p.period,
              String(p.version),
              metric in p.metrics ? number(p.metrics[metric]) : '–',
              number(p.rows),
              number(p.scored)
            ])
          }}
        />
      )}
      {waiting.length > 0 && (
        <p className="nbops-quiet" role="note">
          Labels not there yet (grey): {cut(waiting.join(', '), 200)}
        </p>
      )}
    </Section>
  );
}

function Drift(props: { model: MonitoringModel; dashboard: IDashboard }): JSX.Element {
  const { model, dashboard } = props;
  const periods = [...dashboard.drift].sort((a, b) => a.period.localeCompare(b.period)).slice(-MOST_PERIODS);
  if (periods.length === 0) {
    return (
      <Section title="Drift">
        <p className="nbops-quiet">No report yet: score a period, then look.</p>
      </Section>
    );
  }
  const worst = (column: string) => Math.max(...periods.map(p => num(p.columns[column]?.psi) || 0));
  const columns = [...new Set(periods.flatMap(p => Object.keys(p.columns)))].sort(
    (a, b) => worst(b) - worst(a)
  );
  const shown = model.distribution;
  return (
    <Section title="Drift (PSI)">
      <div className="nbops-scroll">
        <table className="nbops-Heat" aria-label="Drift by column and period">
          <thead>
            <tr>
              <th scope="col">column</th>
              {periods.map(p => (
                <th key={p.period} scope="col">
                  <span title={`${p.period}: ${p.severity}`}>{cut(p.period, 10)}</span>
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {columns.slice(0, 100).map(column => (
              <tr key={column}>
                <th scope="row">
                  <Text>{cut(column, 24)}</Text>
                </th>
                {periods.map(p => {
                  const cell = p.columns[column];
                  if (!cell) {
                    return <td key={p.period} />;
                  }
                  const psi = num(cell.psi);
                  return (
                    <td key={p.period}>
                      <button
                        type="button"
                        data-kind={cell.severity}
                        aria-pressed={shown?.period === p.period && shown.distribution.column === column}
                        aria-label={`${cut(column, 60)} in ${p.period}: PSI ${number(cell.psi)}, ${cell.severity}`}
                        title={`${p.period}: PSI ${number(cell.psi)}, ${cell.severity}`}
                        onClick={() => void model.showDistribution(p.period, column)}
                      >
                        {Number.isFinite(psi) ? psi.toFixed(psi >= 10 ? 0 : psi >= 1 ? 1 : 2) : '–'}
                      </button>
                    </td>
                  );
                })}
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      {shown ? (
        <>
          <Chart
            label={`${cut(shown.distribution.column, 60)}: reference and ${shown.period}`}
            spec={distribution(shown.distribution)}
            table={{
              head: [shown.distribution.column, 'reference', shown.period],
              rows: binLabels(shown.distribution).map((bin, i) => [
                bin,
                percent(shown.distribution.reference[i]),
                percent(shown.distribution.current[i])
              ])
            }}
          />
          <p>
            <Text>{cut(shown.distribution.why, 400)}</Text>
          </p>
          <p className="nbops-quiet">
            {Object.entries(shown.distribution.values)
              .map(([name, v]) => `${name} ${number(v)}`)
              .join(' · ')}
          </p>
        </>
      ) : (
        <p className="nbops-quiet">Click a figure for the two distributions.</p>
      )}
    </Section>
  );
}

function percent(share: string | number | undefined): string {
  const x = num(share);
  return Number.isFinite(x) ? `${(100 * x).toFixed(1)} %` : '–';
}

function Operation(props: { dashboard: IDashboard }): JSX.Element {
  const { scorings, alerts } = props.dashboard;
  if (scorings.length === 0) {
    return (
      <Section title="Operation">
        <p className="nbops-quiet">Nothing has been scored yet.</p>
      </Section>
    );
  }
  const rows = scorings.reduce((sum, s) => sum + s.rows, 0);
  const rejected = scorings.reduce((sum, s) => sum + s.rejected, 0);
  const took = scorings.reduce((sum, s) => sum + num(s.seconds), 0);
  const failures = alerts.filter(a => a.kind === 'failure').length;
  const table = {
    head: ['period', 'rows', 'rejected', 'seconds'],
    rows: scorings.map(s => [s.period, number(s.rows), number(s.rejected), number(s.seconds)])
  };
  const figures: [string, string][] = [
    ['scored', count(scorings.length, 'period')],
    ['rows', number(rows)],
    ['rejected', `${number(rejected)}${rows > 0 ? ` (${percent(rejected / (rows + rejected))})` : ''}`],
    ['longest', seconds(Math.max(...scorings.map(s => num(s.seconds))))],
    ['throughput', took > 0 ? `${number(Math.round(rows / took))} rows a second` : '–'],
    ['failures', number(failures)]
  ];
  return (
    <Section title="Operation">
      <dl className="nbops-Figures">
        {figures.map(([label, said]) => (
          <div
            key={label}
            data-kind={
              (label === 'rejected' && rejected > 0) || (label === 'failures' && failures > 0)
                ? 'warning'
                : undefined
            }
          >
            <dt>{label}</dt>
            <dd>{said}</dd>
          </div>
        ))}
      </dl>
      <Chart label="Rows by period" spec={operation(props.dashboard, 'rows')} table={table} />
      {rejected > 0 && (
        <Chart label="Rejected rows by period" spec={operation(props.dashboard, 'rejected')} table={table} />
      )}
      <Chart label="Seconds a scoring took" spec={operation(props.dashboard, 'seconds')} table={table} />
    </Section>
  );
}

function Alerts(props: { dashboard: IDashboard }): JSX.Element {
  const alerts = [...props.dashboard.alerts].sort((a, b) => b.at.localeCompare(a.at));
  return (
    <Section title="Alerts">
      {alerts.length === 0 && <p className="nbops-quiet">None.</p>}
      <ul className="nbops-List">
        {alerts.slice(0, 100).map(alert => (
          <li key={alert.id}>
            <Chip kind={alert.severity}>{alert.kind}</Chip> <Text>{cut(alert.message, 400)}</Text>{' '}
            <span className="nbops-quiet">{when(alert.at)}</span>
          </li>
        ))}
      </ul>
    </Section>
  );
}

export function Decisions(props: { rows: readonly IDecisionRow[] }): JSX.Element {
  const newest = [...props.rows].sort((a, b) => b.decision.at.localeCompare(a.decision.at));
  if (newest.length === 0) {
    return (
      <p className="nbops-quiet">
        Nothing has been decided yet: <Code>nbops tick</Code> looks at labels, drift and times.
      </p>
    );
  }
  return (
    <ul className="nbops-List">
      {newest.slice(0, 100).map(({ decision, job }) => (
        <li key={decision.id}>
          <Chip kind={decision.action}>{decision.action === 'none' ? 'nothing to do' : decision.action}</Chip>{' '}
          <Text>{cut(decision.why, 400)}</Text>{' '}
          <span className="nbops-quiet">
            {decision.trigger} · <bdi>{cut(decision.cause, 60)}</bdi> · {when(decision.at)}
          </span>
          {job && (
            <span className="nbops-row">
              job <Status status={job.status} />
              {job.error && (
                <span className="nbops-Cell-error">
                  <bdi>{cut(job.error, 300)}</bdi>
                </span>
              )}
            </span>
          )}
        </li>
      ))}
    </ul>
  );
}
