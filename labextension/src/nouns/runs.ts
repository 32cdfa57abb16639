/** Runs, what they logged, how two of them differ. */

import type { Json, Num } from '../wire';

export type RunStatus =
  | 'CREATED'
  | 'QUEUED'
  | 'IN_PROGRESS'
  | 'COMPLETED'
  | 'FAILED'
  | 'STOPPING'
  | 'STOPPED'
  | 'SKIPPED'
  | 'CACHED'
  | 'LOST';

export interface IRun {
  id: string;
  kind: string;
  name: string;
  experiment: string;
  status: RunStatus;
  started_at: string;
  ended_at: string | null;
  parent: string | null;
  notebook: string | null;
  error: string | null;
  tags: string[];
  contents_path?: string | null;
}

export interface IRunRow {
  run: IRun;
  params: { [name: string]: Json };
  metrics: { [name: string]: Num };
  tags?: string[];
}

export interface IRunColumns {
  params: string[];
  metrics: string[];
}

export interface IMetric {
  name: string;
  value: Num;
  step: number | null;
  source?: string;
  /** The digests of the model and of the data that it is of. */
  model?: string | null;
  data?: string | null;
  on?: string | null;
}

export interface IArtifact {
  name: string;
  kind: string;
  digest: string;
  size: number;
  media: string;
}

export interface IRunDetail {
  run: IRun;
  params: { [name: string]: Json };
  metrics: IMetric[];
  records: { cell_id: string | null; seq: number; status: string; seconds: number }[];
  children: IRun[];
  artifacts: IArtifact[];
}

/** `{metric: [[step, value], …]}`. */
export type ICurves = { [name: string]: [number | null, Num][] };

export interface IRunLog {
  executed: string | null;
  artifact: string | null;
  error: string | null;
  tail: string;
}

export interface IChange {
  what: string;
  name: string;
  a: Json;
  b: Json;
  why: string;
  detail: string;
}

export interface IComparison {
  runs: IRunRow[];
  params: { [name: string]: Json[] };
  metrics: { [name: string]: (Num | null)[] };
  differing: { params: string[]; metrics: string[] };
  diff?: { changes: IChange[]; notes: string[] } | null;
}
