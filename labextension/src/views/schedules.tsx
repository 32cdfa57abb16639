/** Schedules: what happens by itself and when next; what was decided; how to have a notebook run at set times. */

import * as React from 'react';
import { cut, when } from '../format';
import type { SchedulesModel } from '../model/schedulesModel';
import type { IStore } from '../nouns';
import { Decisions } from './monitoring';
import { Button, Chip, Code, Empty, Frame, Progress, Section, Text, useModel } from './parts';

export function SchedulesView(props: { model: SchedulesModel; can: IStore['can'] }): JSX.Element {
  const model = useModel(props.model);
  return (
    <>
      {model.wish !== null && <Wish path={model.wish} onClose={() => model.setWish(null)} />}
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
              <Times model={model} />
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

function Times(props: { model: SchedulesModel }): JSX.Element {
  const { schedules } = props.model;
  if (schedules.length === 0) {
    return (
      <Empty title="Nothing is scheduled">
        <p>
          Give a deployment a time in <Code>nbops.toml</Code>, and have <Code>nbops tick</Code> run by cron:
        </p>
        <pre className="nbops-Snippet">
          {'[deployments.NAME.triggers]\nschedule = "0 6 * * 1"   # Mondays at six, UTC\n'}
        </pre>
      </Empty>
    );
  }
  return (
    <table className="nbops-Table" aria-label="Schedules">
      <thead>
        <tr>
          <th scope="col">what</th>
          <th scope="col">times</th>
          <th scope="col">next</th>
        </tr>
      </thead>
      <tbody>
        {schedules.map((s, i) => (
          <tr key={i}>
            <th scope="row">
              <Text>{cut(s.name, 60)}</Text>
            </th>
            <td>
              <code>{cut(s.expression, 60)}</code>
            </td>
            <td>{s.paused ? <Chip kind="stopped">paused</Chip> : when(s.next)}</td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

/** What to write so that a notebook is run at set times. */
function Wish(props: { path: string; onClose: () => void }): JSX.Element {
  const name =
    (props.path.split('/').pop() ?? '').replace(/\.ipynb$/, '').replace(/[^A-Za-z0-9_-]+/g, '-') || 'job';
  const text =
    `[pipelines.${name}.steps.${name}]\nnotebook = ${JSON.stringify(props.path)}\n\n` +
    `[deployments.${name}]\npipeline = "${name}"\n\n[deployments.${name}.triggers]\nschedule = "0 6 * * *"   # each day at six, UTC\n`;
  return (
    <Section title="Schedule a notebook" aside={<Button onClick={props.onClose}>Close</Button>}>
      <p>
        To have <Text>{props.path}</Text> run at set times, add this to <Code>nbops.toml</Code>:
      </p>
      <pre className="nbops-Snippet" tabIndex={0}>
        {text}
      </pre>
      <p className="nbops-quiet">
        <Code>nbops tick</Code>, run by cron every few minutes, then starts it when its time has come.
      </p>
    </Section>
  );
}
