/** Schedules: what happens by itself and when next; what was decided; how to have a notebook run at set times. */

import * as React from 'react';
import { cut, when } from '../format';
import type { SchedulesModel } from '../model/schedulesModel';
import type { ISchedule, IStore } from '../nouns';
import { Decisions } from './monitoring';
import { Field } from './promote';
import { Button, Chip, Code, Empty, Frame, Progress, Section, Status, Text, useModel } from './parts';

export function SchedulesView(props: { model: SchedulesModel; can: IStore['can'] }): JSX.Element {
  const model = useModel(props.model);
  return (
    <>
      {model.wish !== null && <Wish key={model.wish} model={model} path={model.wish} can={props.can} />}
      <Frame model={model}>
        {() => (
          <>
            <Section
              title="Times"
              aside={
                <>
                  <Button
                    disabled={!props.can.write || model.ticking}
                    onClick={() => void model.tick()}
                    title="What nbops tick does"
                  >
                    Look now
                  </Button>
                  {model.ticking && <Progress label="Asked" />}
                </>
              }
            >
              <Times model={model} can={props.can} />
            </Section>
            <Section title="Decisions">
              <Decisions rows={model.decisions} />
            </Section>
          </>
        )}
      </Frame>
    </>
  );
}

function Times(props: { model: SchedulesModel; can: IStore['can'] }): JSX.Element {
  const { model, can } = props;
  if (model.schedules.length === 0) {
    return (
      <Empty title="Nothing is scheduled">
        <p>
          Right-click a notebook in the file browser: Schedule… Or write{' '}
          <Code>nbops schedule add NAME --every 1h --notebook NB</Code>. Workers run it:{' '}
          <Code>nbops worker</Code>.
        </p>
      </Empty>
    );
  }
  return (
    <>
      <p className="nbops-quiet" role="note">
        {model.worker === null
          ? 'No worker is there to run them: start one with nbops worker.'
          : `A worker runs on ${cut(model.worker.host, 40)}.`}
      </p>
      <ul className="nbops-List" aria-label="Schedules">
        {model.schedules.map((s, i) => (
          <Line key={i} model={model} schedule={s} can={can} />
        ))}
      </ul>
    </>
  );
}

function Line(props: { model: SchedulesModel; schedule: ISchedule; can: IStore['can'] }): JSX.Element {
  const { model, schedule: s, can } = props;
  const ours = s.kind !== 'trigger';
  const history = model.history?.name === s.name && ours ? model.history : null;
  return (
    <li>
      <span className="nbops-row">
        <b>
          <Text>{cut(s.name, 60)}</Text>
        </b>
        <code>{cut(s.expression, 60)}</code>
        {s.paused ? <Chip kind="stopped">paused</Chip> : <span>next {when(s.next)}</span>}
        {s.last && <Status status={s.last.status} />}
      </span>
      <span className="nbops-quiet">
        <bdi>{cut(s.target, 80)}</bdi>
        {s.last_why && (
          <>
            {' '}
            · <bdi>{cut(s.last_why, 200)}</bdi>
          </>
        )}
        {!ours && ' · written in nbops.toml'}
      </span>
      {s.last?.error && (
        <p className="nbops-Cell-error">
          <bdi>{cut(s.last.error, 300)}</bdi>
        </p>
      )}
      {ours && (
        <span className="nbops-row">
          <Button
            disabled={!can.write}
            onClick={() => void model.steer(s.name, s.paused ? 'resume' : 'pause')}
          >
            {s.paused ? 'Go on' : 'Pause'}
          </Button>
          <Button disabled={!can.write} onClick={() => void model.steer(s.name, 'run-now')}>
            Run now
          </Button>
          <Button pressed={history !== null} onClick={() => void model.showHistory(s.name)}>
            History
          </Button>
        </span>
      )}
      {history && <Decisions rows={history.rows} />}
    </li>
  );
}

/** A notebook that is to run at set times. */
function Wish(props: { model: SchedulesModel; path: string; can: IStore['can'] }): JSX.Element {
  const { model, path, can } = props;
  const usual =
    (path.split('/').pop() ?? '').replace(/\.ipynb$/, '').replace(/[^A-Za-z0-9_-]+/g, '-') || 'job';
  const [name, setName] = React.useState(usual);
  const [cron, setCron] = React.useState('0 6 * * *');
  return (
    <Section title="Schedule a notebook">
      <p>
        <Text>{path}</Text>
      </p>
      <form
        className="nbops-Form"
        onSubmit={event => {
          event.preventDefault();
          void model.add({ name, cron, notebook: path });
        }}
      >
        <Field label="Name">
          <input
            className="nbops-Input"
            required
            value={name}
            onChange={event => setName(event.target.value)}
          />
        </Field>
        <Field
          label="Times"
          help="A cron line, UTC: minute, hour, day, month, weekday. 0 6 * * * is each day at six."
        >
          <input
            className="nbops-Input"
            required
            value={cron}
            onChange={event => setCron(event.target.value)}
          />
        </Field>
        <div className="nbops-row">
          <button type="submit" className="nbops-Button nbops-primary" disabled={!can.write}>
            Schedule it
          </button>
          <Button onClick={() => model.setWish(null)}>Cancel</Button>
        </div>
      </form>
    </Section>
  );
}
