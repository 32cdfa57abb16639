/** The shapes of the wire: the frozen dataclasses of `nbops.core` as the server writes them, and what routes add. */

import type { Json, Num } from './wire';

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

export type Severity = 'ok' | 'warn' | 'alert' | 'unknown';

export interface IPage<T> {
  items: T[];
  total: number;
  limit: number;
  offset: number;
}

export interface IStore {
  store: string;
  home: string;
  root: string;
  why: string;
  exists: boolean;
  version: string;
  identity: string;
  durability: string;
  /** Names of nbops.toml or the store. */
  deployments?: string[];
  pipelines?: string[];
  can: { write: boolean; promote: boolean; approve: boolean; rollback: boolean; delete: boolean };
  seq: number;
}

export interface IEvent {
  seq: number;
  at: string;
  noun: string;
  name: string;
  what: string;
}

export interface IEvents {
  events?: IEvent[];
  seq: number;
}

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

export type Badge = 'stale' | 'out of order' | 'edited' | 'leaky' | 'maybe leaky' | 'failed' | 'deleted';

/** Data a cell read or wrote. */
export interface IDataUse {
  name: string;
  fingerprint?: { kind: string; digest: string | null; shape: number[]; reason: string | null };
  shape?: number[];
}

export interface ICell {
  cell_id: string | null;
  index: number | null;
  run: string;
  seq: number;
  execution_count: number | null;
  /** What it was tracked as, where it has a name. */
  source_name?: string | null;
  status: string;
  error?: string | null;
  seconds: number;
  overhead_s: number;
  started_at: string | null;
  params: { [name: string]: Json };
  metrics: IMetric[];
  models: { name: string; type: string; digest?: string | null }[];
  reads: IDataUse[];
  writes: IDataUse[];
  files: { path: string; mode: string }[];
  notes: string[];
  badges: Badge[];
  badge_why: { [badge: string]: string };
}

export interface INotebook {
  notebook: string;
  contents_path: string | null;
  cells: ICell[];
  session: IRun | null;
}

export interface INode {
  id: string;
  kind: string;
  label: string;
  detail: { [name: string]: Json };
}

export interface IGraph {
  nodes: INode[];
  edges: { source: string; target: string; kind: string }[];
  cut?: boolean;
}

export interface IVersion {
  name: string;
  number: number;
  run: string;
  type: string;
  format: string;
  metrics: { [name: string]: Num };
  created_at: string;
  created_by: string;
  libraries?: { [name: string]: string };
}

export interface IModelRow {
  name: string;
  versions: IVersion[];
  aliases: { [alias: string]: number };
}

export interface IGateResult {
  gate: string;
  outcome: 'passed' | 'failed' | 'not checked';
  asked: string;
  seen: string;
  why: string;
}

export interface IPromotion {
  id: string;
  model: string;
  alias: string;
  deployment: string | null;
  action: string;
  from_version: number | null;
  to_version: number | null;
  run: string | null;
  results: IGateResult[];
  by: string;
  at: string;
  cause: string | null;
}

export interface IModel extends IModelRow {
  history: IPromotion[];
  deployments: string[];
}

export interface IModelCard {
  markdown: string;
  facts: { [name: string]: Json };
}

export interface IPromotionWish {
  source: string;
  name: string;
  model?: string;
  to?: string;
  candidate?: string;
  why?: string;
}

export interface IGatesReport {
  results: IGateResult[];
  /** `pending`: it would wait for a second person. */
  would: 'promoted' | 'pending' | 'refused';
  candidate: { [name: string]: Json };
}

/** A promotion that waits for a second person. */
export interface IApproval {
  id: string;
  model: string;
  deployment: string | null;
  alias: string;
  candidate: string;
  run: string | null;
  results: IGateResult[];
  by: string;
  at: string;
}

export interface IParameter {
  name: string;
  type: string;
  /** What values of the type are: int, float, bool, str, … */
  base?: string;
  /** The default as the notebook writes it. */
  written?: string | null;
  /** Its value is read from `env` where the notebook runs, and is never shown or sent. */
  secret?: boolean;
  env?: string | null;
  default: Json;
  help: string | null;
  choices?: Json[] | null;
  min?: number | null;
  max?: number | null;
  /** As said to people: "≥ 0, < 1". */
  bounds?: string;
  required: boolean;
  steps?: string[];
}

export interface IPipelineStep {
  name: string;
  notebook: string;
  contents_path: string | null;
  needs: string[];
  inputs: string[];
  outputs: string[];
}

export interface IPipeline {
  name: string;
  steps: IPipelineStep[];
  order: string[];
  edges: [string, string, string][];
  last_run: IRun | null;
  parameters?: IParameter[];
}

export interface IPlan {
  steps: { name: string; state: string; why: string }[];
}

export interface IPipelineRun {
  run: IRun;
  steps: {
    run: IRun | null;
    name?: string;
    state: string;
    why: string;
    progress: { cell: number; cells: number } | null;
    executed: string | null;
  }[];
}

export interface IDeployment {
  name: string;
  model: string;
  alias: string | null;
  version: number | null;
}

export interface IDeploymentRow {
  deployment: IDeployment;
  serving: number | null;
  scored: number;
  last: IScoring | null;
  alerts: number;
  severity: Severity;
}

export interface IScoring {
  run: string;
  version: number;
  period: string;
  rows: number;
  rejected: number;
  scored_at: string;
  seconds: number;
}

export interface IPerformance {
  period: string;
  version: number;
  rows: number;
  scored: number;
  metrics: { [name: string]: Num };
  at: string;
}

export interface IAlert {
  id: string;
  deployment: string;
  kind: string;
  severity: Severity;
  period: string | null;
  message: string;
  at: string;
}

export interface IDecision {
  id: string;
  deployment: string;
  trigger: string;
  cause: string;
  action: string;
  why: string;
  at: string;
}

export interface IJob {
  id: string;
  status: RunStatus;
  attempt: number;
  created_at: string;
  ended_at: string | null;
  result: { [name: string]: Json };
  error: string | null;
}

export interface IDecisionRow {
  decision: IDecision;
  job: IJob | null;
}

export interface IDashboard {
  deployment: IDeployment;
  /** The metric that decides at the gates. */
  metric?: string | null;
  serving: number | null;
  performance: IPerformance[];
  waiting: string[];
  scorings: IScoring[];
  drift: {
    period: string;
    severity: Severity;
    columns: { [column: string]: { psi: Num; severity: Severity } };
  }[];
  alerts: IAlert[];
  decisions: IDecisionRow[];
}

export interface IDistribution {
  column: string;
  bins: Json[];
  reference: Num[];
  current: Num[];
  values: { [measure: string]: Num };
  why: string;
}

export interface ISchedule {
  name: string;
  /** cron, every, …; `trigger`: a deployment's, which nbops.toml alone changes. */
  kind: string;
  expression: string;
  target: string;
  deployment: string | null;
  pipeline: string | null;
  notebook: string | null;
  next: string | null;
  paused: boolean;
  last: IJob | null;
  last_why: string;
}

export interface ISchedules {
  items: ISchedule[];
  worker: { host: string; pid: number; at: string } | null;
}

export interface IScheduleWish {
  name: string;
  notebook: string;
  cron?: string;
  every?: string;
}
