/** Deployments, scoring, drift, alerts, decisions, schedules. */

import type { Json, Num } from '../wire';
import type { RunStatus } from './runs';
import type { Severity } from './store';

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
