/** Pipelines: the graph with the state of each step, the form, the run; and single notebooks run with parameters. */

import * as React from 'react';
import { between, count, cut, seconds, when } from '../format';
import type { INotebookForm, PipelinesModel } from '../model/pipelinesModel';
import type { IPipeline, IPipelineRun, IRunLog, IStore } from '../nouns';
import { useDesk } from './desk';
import { Graph } from './graph';
import { ParameterForm } from './parameterForm';
import {
  Back,
  Button,
  Chip,
  Code,
  Empty,
  Frame,
  Progress,
  Section,
  Status,
  Text,
  tone,
  useModel
} from './parts';

const UNDER_WAY = ['CREATED', 'QUEUED', 'IN_PROGRESS', 'STOPPING'];
const BROKEN = ['FAILED', 'STOPPED', 'LOST'];

interface IProps {
  model: PipelinesModel;
  can: IStore['can'];
}

export function PipelinesView(props: IProps): JSX.Element {
  const model = useModel(props.model);
  return (
    <Frame model={model}>
      {() => {
        if (model.notebookForm) {
          return <OneNotebook {...props} form={model.notebookForm} />;
        }
        return model.opened ? <OnePipeline {...props} opened={model.opened} /> : <List {...props} />;
      }}
    </Frame>
  );
}

function List(props: IProps): JSX.Element {
  const { model } = props;
  if (model.pipelines.length === 0) {
    return (
      <Empty title="No pipeline is defined">
        <p>
          Name its notebooks in <Code>nbops.toml</Code>, for instance:
        </p>
        <pre className="nbops-Snippet">
          {
            '[pipelines.train.steps.prepare]\nnotebook = "prepare.ipynb"\n\n[pipelines.train.steps.fit]\nnotebook = "fit.ipynb"\nneeds = ["prepare"]\n'
          }
        </pre>
        <p>
          <Code>nbops pipeline infer FOLDER</Code> proposes it from your notebooks.
        </p>
        <p>One notebook alone is run by right-clicking it in the file browser: Run with parameters…</p>
      </Empty>
    );
  }
  return (
    <table className="nbops-Table" aria-label="Pipelines">
      <thead>
        <tr>
          <th scope="col">pipeline</th>
          <th scope="col">steps</th>
          <th scope="col">last run</th>
        </tr>
      </thead>
      <tbody>
        {model.pipelines.map(p => (
          <tr key={p.name}>
            <th scope="row">
              <button type="button" className="nbops-Link" onClick={() => void model.open(p.name)}>
                <Text>{cut(p.name, 60)}</Text>
              </button>
            </th>
            <td>{p.steps.length}</td>
            <td>
              {p.last_run ? (
                <>
                  <Status status={p.last_run.status} /> {when(p.last_run.started_at)}
                </>
              ) : (
                <span className="nbops-quiet">never</span>
              )}
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

function OnePipeline(props: IProps & { opened: IPipeline }): JSX.Element {
  const { model, opened, can } = props;
  const { running } = model;
  const underWay = running !== null && UNDER_WAY.includes(running.run.status);
  const broken = running !== null && BROKEN.includes(running.run.status);
  const [force, setForce] = React.useState(false);
  const [selected, setSelected] = React.useState<string | null>(null);
  const stateOf = (step: string): { state: string; why: string } => {
    const ran = running?.steps.find(s => (s.name ?? s.run?.name) === step);
    const planned = model.plan?.steps.find(s => s.name === step);
    if (ran && underWay) {
      return { state: ran.state, why: ran.why };
    }
    return planned ?? (ran ? { state: ran.state, why: ran.why } : { state: 'not run', why: '' });
  };
  return (
    <article aria-label={`Pipeline ${opened.name}`}>
      <Back to="Pipelines" onClick={() => void model.open(null)} />
      <h2 className="nbops-Title">
        <Text>{cut(opened.name, 80)}</Text>
      </h2>
      <Graph
        label={`Steps of ${opened.name}`}
        nodes={opened.steps.map(s => {
          const { state, why } = stateOf(s.name);
          return {
            id: s.name,
            label: s.name,
            kind: WORDS[state.toLowerCase()] ?? state.toLowerCase(),
            tone: tone(state),
            title: why
          };
        })}
        arrows={opened.edges.map(([from, to]) => [from, to])}
        selected={selected}
        onClick={id => setSelected(id === selected ? null : id)}
      />
      {selected !== null && <StepFacts opened={opened} name={selected} {...stateOf(selected)} />}
      {running && <RunOf {...props} running={running} underWay={underWay} broken={broken} />}
      <Section title="Run it">
        <ParameterForm
          key={opened.name}
          parameters={opened.parameters ?? []}
          action="Run"
          disabled={!can.write || underWay || model.busy}
          onSubmit={params => void model.start(params, { force })}
        >
          <label>
            <input type="checkbox" checked={force} onChange={() => setForce(!force)} /> also what is up to
            date
          </label>
        </ParameterForm>
        {!can.write && <p className="nbops-quiet">You may look, but not run anything on this server.</p>}
      </Section>
    </article>
  );
}

const WORDS: { [state: string]: string } = {
  run: 'to be run',
  stale: 'out of date',
  cached: 'up to date',
  in_progress: 'running'
};

function StepFacts(props: {
  opened: IPipeline;
  name: string;
  state: string;
  why: string;
}): JSX.Element | null {
  const desk = useDesk();
  const step = props.opened.steps.find(s => s.name === props.name);
  if (!step) {
    return null;
  }
  const path = step.contents_path;
  return (
    <dl className="nbops-Facts" aria-label={`Step ${step.name}`}>
      <dt>state</dt>
      <dd>
        <Chip kind={props.state}>{WORDS[props.state.toLowerCase()] ?? props.state.toLowerCase()}</Chip>{' '}
        <Text>{cut(props.why, 300)}</Text>
      </dd>
      <dt>notebook</dt>
      <dd>
        {path === null ? (
          <Text>{step.notebook}</Text>
        ) : (
          <button type="button" className="nbops-Link" onClick={() => desk.openFile(path)}>
            <Text>{step.notebook}</Text>
          </button>
        )}
      </dd>
      {step.inputs.length > 0 && (
        <>
          <dt>in</dt>
          <dd>
            <Text>{cut(step.inputs.join(', '), 300)}</Text>
          </dd>
        </>
      )}
      {step.outputs.length > 0 && (
        <>
          <dt>out</dt>
          <dd>
            <Text>{cut(step.outputs.join(', '), 300)}</Text>
          </dd>
        </>
      )}
    </dl>
  );
}

function RunOf(props: IProps & { running: IPipelineRun; underWay: boolean; broken: boolean }): JSX.Element {
  const { model, running, underWay, broken, can } = props;
  const desk = useDesk();
  const { run } = running;
  const stop = async () => {
    if (
      await desk.confirm(
        'Stop this run?',
        'The step that is under way is stopped; what is finished stays, and a resume goes on from there.',
        'Stop'
      )
    ) {
      await model.stop();
    }
  };
  const resume = async () => {
    const repeated = await model.resume();
    if (repeated !== null && (await desk.confirm('Repeat this?', repeated, 'Resume and repeat'))) {
      await model.resume(true);
    }
  };
  const done = running.steps.filter(s =>
    ['COMPLETED', 'CACHED', 'SKIPPED'].includes(s.state.toUpperCase())
  ).length;
  return (
    <Section title={underWay ? 'Running' : 'Last run'}>
      <p className="nbops-row" role="status">
        <Status status={run.status} />
        <span className="nbops-quiet">
          {when(run.started_at)} · {seconds(between(run.started_at, run.ended_at))}
        </span>
        {underWay && <Progress label="step" done={done} of={running.steps.length} />}
        {underWay && (
          <Button
            danger
            disabled={!can.write || model.busy || run.status === 'STOPPING'}
            onClick={() => void stop()}
          >
            Stop …
          </Button>
        )}
        {broken && (
          <Button primary disabled={!can.write || model.busy} onClick={() => void resume()}>
            Resume
          </Button>
        )}
      </p>
      {run.error && (
        <p className="nbops-Cell-error">
          <bdi>{cut(run.error, 500)}</bdi>
        </p>
      )}
      <ul className="nbops-List">
        {running.steps.map((step, i) => {
          const id = step.run?.id;
          return (
            <li key={id ?? i}>
              <span className="nbops-row">
                <Status status={step.state} /> <Text>{cut(step.name ?? step.run?.name ?? '', 60)}</Text>
                {step.run && (
                  <span className="nbops-quiet">
                    {seconds(between(step.run.started_at, step.run.ended_at))}
                  </span>
                )}
                {step.progress && (
                  <Progress label="cell" done={step.progress.cell} of={step.progress.cells} />
                )}
                {id !== undefined && (
                  <Button pressed={model.log?.run === id} onClick={() => void model.showLog(id)}>
                    Log
                  </Button>
                )}
                {id !== undefined && step.run?.ended_at && step.state !== 'SKIPPED' && (
                  <Button onClick={() => desk.openExecuted(id, step.name ?? 'step')}>
                    Executed notebook
                  </Button>
                )}
              </span>
              {step.why && (
                <span className="nbops-quiet">
                  <bdi>{cut(step.why, 300)}</bdi>
                </span>
              )}
              {model.log !== null && model.log.run === id && <Log log={model.log.log} />}
            </li>
          );
        })}
      </ul>
    </Section>
  );
}

function Log(props: { log: IRunLog }): JSX.Element {
  const { log } = props;
  return (
    <>
      {log.error && (
        <p className="nbops-Cell-error">
          <bdi>{cut(log.error, 1000)}</bdi>
        </p>
      )}
      <pre className="nbops-Log" tabIndex={0} aria-label="Log">
        {log.tail || 'It has put out no text.'}
      </pre>
    </>
  );
}

function OneNotebook(props: IProps & { form: INotebookForm }): JSX.Element {
  const { model, form, can } = props;
  const desk = useDesk();
  const run = form.run?.run;
  const underWay = run !== undefined && UNDER_WAY.includes(run.status);
  return (
    <article aria-label={`Run ${form.path}`}>
      <Back to="Pipelines" onClick={() => model.closeNotebook()} />
      <h2 className="nbops-Title">
        Run <Text>{cut(form.path, 120)}</Text>
      </h2>
      <p className="nbops-quiet">
        {count(form.parameters.length, 'parameter')}. It is run as a copy: the notebook itself stays as it is.
      </p>
      <ParameterForm
        key={form.path}
        parameters={form.parameters}
        action="Run"
        disabled={!can.write || underWay || model.busy}
        onSubmit={params => void model.startNotebook(params)}
      />
      {run && (
        <Section title="Its run">
          <p className="nbops-row" role="status">
            <Status status={run.status} /> <span className="nbops-quiet">{when(run.started_at)}</span>
            {underWay && <Progress label="Running" />}
            <Button pressed={model.log?.run === run.id} onClick={() => void model.showLog(run.id)}>
              Log
            </Button>
            {run.ended_at && (
              <Button onClick={() => desk.openExecuted(run.id, run.name)}>Executed notebook</Button>
            )}
          </p>
          {run.error && (
            <p className="nbops-Cell-error">
              <bdi>{cut(run.error, 500)}</bdi>
            </p>
          )}
          {model.log?.run === run.id && <Log log={model.log.log} />}
        </Section>
      )}
    </article>
  );
}
