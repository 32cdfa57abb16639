/** The panel: a header that says which store is shown and why, tabs, and the view of the one chosen. */

import * as React from 'react';
import { VIEWS, type PanelModel, type View } from '../model/panelModel';
import { ModelsView } from './models';
import { MonitoringView } from './monitoring';
import { NotebookView } from './notebook';
import { Button, Guard, Problem, Text, useModel } from './parts';
import { PipelinesView } from './pipelines';
import { RunsView } from './runs';
import { SchedulesView } from './schedules';

export function Panel(props: { model: PanelModel }): JSX.Element {
  const model = useModel(props.model);
  return (
    <div className="nbops-Panel-frame">
      <Header model={model} />
      <Tabs model={model} />
      {model.error && <Problem error={model.error} onRetry={() => model.refresh()} />}
      <div
        className="nbops-View"
        role="tabpanel"
        id="nbops-view"
        aria-labelledby={`nbops-tab-${model.view}`}
        tabIndex={0}
        data-view={model.view}
      >
        <Guard key={model.view}>{drawn(model)}</Guard>
      </div>
    </div>
  );
}

function drawn(model: PanelModel): JSX.Element {
  switch (model.view) {
    case 'notebook':
      return <NotebookView model={model.notebook} />;
    case 'runs':
      return <RunsView model={model.runs} />;
    case 'models':
      return <ModelsView model={model.models} can={model.can} deployments={model.store?.deployments ?? []} />;
    case 'pipelines':
      return <PipelinesView model={model.pipelines} can={model.can} />;
    case 'monitoring':
      return <MonitoringView model={model.monitoring} can={model.can} />;
    case 'schedules':
      return <SchedulesView model={model.schedules} can={model.can} />;
  }
}

function Header(props: { model: PanelModel }): JSX.Element {
  const { store } = props.model;
  return (
    <header className="nbops-Header">
      <div className="nbops-Header-store">
        {store === null ? (
          <span className="nbops-quiet">looking for the store …</span>
        ) : (
          <>
            <span className="nbops-Header-path">
              <Text title={store.store}>{store.store}</Text>
            </span>
            <span className="nbops-quiet nbops-Header-why" title={store.why}>
              {store.exists ? '' : 'nothing recorded yet · '}
              <bdi>{store.why}</bdi>
            </span>
          </>
        )}
      </div>
      <Button onClick={() => props.model.refresh()} title="Read everything again" label="Refresh">
        ↻
      </Button>
    </header>
  );
}

function Tabs(props: { model: PanelModel }): JSX.Element {
  const { model } = props;
  const list = React.useRef<HTMLDivElement>(null);
  const go = (view: View) => {
    model.show(view);
    list.current?.querySelector<HTMLElement>(`#nbops-tab-${view}`)?.focus();
  };
  const onKeyDown = (event: React.KeyboardEvent) => {
    const at = VIEWS.findIndex(([id]) => id === model.view);
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    const to = step ? at + step : event.key === 'Home' ? 0 : event.key === 'End' ? VIEWS.length - 1 : null;
    if (to !== null) {
      event.preventDefault();
      go(VIEWS[(to + VIEWS.length) % VIEWS.length]![0]);
    }
  };
  return (
    <div className="nbops-Tabs" role="tablist" aria-label="nbops views" ref={list} onKeyDown={onKeyDown}>
      {VIEWS.map(([id, label]) => (
        <button
          key={id}
          id={`nbops-tab-${id}`}
          type="button"
          role="tab"
          aria-selected={model.view === id}
          aria-controls="nbops-view"
          tabIndex={model.view === id ? 0 : -1}
          onClick={() => model.show(id)}
        >
          {label}
        </button>
      ))}
    </div>
  );
}
