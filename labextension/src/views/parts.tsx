/** The small things that every view is made of. */

import type { VDomModel } from '@jupyterlab/ui-components';
import * as React from 'react';
import type { ApiError } from '../api';
import type { ViewModel } from '../model/viewModel';

/** Draw again whenever the model says that it has changed. */
export function useModel<T extends VDomModel>(model: T): T {
  const [, redraw] = React.useReducer((n: number) => n + 1, 0);
  React.useEffect(() => {
    model.stateChanged.connect(redraw);
    // It may have changed between the drawing and this effect.
    redraw();
    return () => {
      model.stateChanged.disconnect(redraw);
    };
  }, [model]);
  return model;
}

/** Text that came from anywhere: kept to its own direction, so that it can't turn round what stands beside it. */
export function Text(props: { children: string; title?: string; className?: string }): JSX.Element {
  return (
    <bdi title={props.title ?? props.children} className={props.className}>
      {props.children}
    </bdi>
  );
}

/** Nothing to show: why, and what to do. */
export function Empty(props: { title: string; children?: React.ReactNode }): JSX.Element {
  return (
    <div className="nbops-Empty">
      <p className="nbops-Empty-title">{props.title}</p>
      {props.children}
    </div>
  );
}

/** A command to type, selectable. */
export function Code(props: { children: string }): JSX.Element {
  return <code className="nbops-Code">{props.children}</code>;
}

const NEXT: { [status: number]: string } = {
  0: 'The panel tries again by itself.',
  403: 'Ask whoever runs this server for the permission.',
  404: 'It may have been removed: refresh the list.',
  503: 'The panel tries again by itself; nbops doctor looks at the store.',
  507: 'Free some space; nbops data gc lists what nothing refers to.'
};

/** What went wrong, in the server's words, and the next step. */
export function Problem(props: {
  error: ApiError;
  onRetry?: () => void;
  onDismiss?: () => void;
}): JSX.Element {
  const { error, onRetry, onDismiss } = props;
  return (
    <div className="nbops-Problem" role="alert">
      <p>
        <Text>{error.message}</Text>
      </p>
      {NEXT[error.status] && <p className="nbops-quiet">{NEXT[error.status]}</p>}
      <div className="nbops-row">
        {onRetry && <Button onClick={onRetry}>Try again</Button>}
        {onDismiss && <Button onClick={onDismiss}>Dismiss</Button>}
      </div>
    </div>
  );
}

export function Button(props: {
  children: React.ReactNode;
  onClick: () => void;
  primary?: boolean;
  danger?: boolean;
  disabled?: boolean;
  title?: string;
  label?: string;
  pressed?: boolean;
}): JSX.Element {
  const kind = props.primary ? ' nbops-primary' : props.danger ? ' nbops-danger' : '';
  return (
    <button
      type="button"
      className={`nbops-Button${kind}`}
      onClick={props.onClick}
      disabled={props.disabled}
      title={props.title}
      aria-label={props.label}
      aria-pressed={props.pressed}
    >
      {props.children}
    </button>
  );
}

/** A state as a word in a colour: never by the colour alone. */
export function Chip(props: { kind: string; children: string; title?: string }): JSX.Element {
  return (
    <span className="nbops-Chip" data-kind={tone(props.kind)} title={props.title}>
      {props.children}
    </span>
  );
}

const TONES: { [kind: string]: string } = {
  completed: 'good',
  ok: 'good',
  passed: 'good',
  promoted: 'good',
  cached: 'good',
  failed: 'bad',
  error: 'bad',
  alert: 'bad',
  refused: 'bad',
  leaky: 'bad',
  lost: 'bad',
  warn: 'warning',
  stale: 'warning',
  'out of order': 'warning',
  edited: 'warning',
  'maybe leaky': 'warning',
  'not checked': 'warning',
  'rolled back': 'warning',
  stopped: 'warning',
  interrupted: 'warning',
  in_progress: 'busy',
  running: 'busy',
  stopping: 'busy',
  pending: 'busy',
  skipped: 'plain',
  queued: 'busy'
};

export function tone(kind: string): string {
  return TONES[kind.toLowerCase()] ?? 'plain';
}

const STATUS: { [status: string]: string } = { IN_PROGRESS: 'running' };

/** A run's status as a word. */
export function Status(props: { status: string }): JSX.Element {
  return <Chip kind={props.status}>{STATUS[props.status] ?? props.status.toLowerCase()}</Chip>;
}

export function Progress(props: { label: string; done?: number; of?: number }): JSX.Element {
  return (
    <span className="nbops-Progress">
      <progress
        aria-label={props.label}
        value={props.of ? props.done : undefined}
        max={props.of || undefined}
      />
      <span>{props.of ? `${props.label} ${props.done} of ${props.of}` : props.label}</span>
    </span>
  );
}

export function Section(props: {
  title: string;
  children: React.ReactNode;
  aside?: React.ReactNode;
}): JSX.Element {
  return (
    <section className="nbops-Section" aria-label={props.title}>
      <header>
        <h3>{props.title}</h3>
        {props.aside}
      </header>
      {props.children}
    </section>
  );
}

export function Back(props: { to: string; onClick: () => void }): JSX.Element {
  return (
    <button type="button" className="nbops-Back" onClick={props.onClick}>
      ‹ {props.to}
    </button>
  );
}

/** A view's frame: what hinders it stands above it; before the first answer, that it is loading. */
export function Frame(props: { model: ViewModel; children: () => React.ReactNode }): JSX.Element {
  const { model } = props;
  return (
    <>
      {model.problem && <Problem error={model.problem} onDismiss={() => model.dismissProblem()} />}
      {model.error && <Problem error={model.error} onRetry={() => void model.refresh()} />}
      {model.loaded ? props.children() : model.loading && <Progress label="Loading" />}
    </>
  );
}

/** A view that can't be drawn says so; the others go on. */
export class Guard extends React.Component<{ children: React.ReactNode }, { error: Error | null }> {
  override state: { error: Error | null } = { error: null };

  static getDerivedStateFromError(error: Error): { error: Error } {
    return { error };
  }

  override render(): React.ReactNode {
    if (this.state.error === null) {
      return this.props.children;
    }
    return (
      <div className="nbops-Problem" role="alert">
        <p>This view could not be drawn: {String(this.state.error.message).slice(0, 300)}</p>
        <Button onClick={() => this.setState({ error: null })}>Try again</Button>
      </div>
    );
  }
}
