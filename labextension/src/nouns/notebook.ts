/** A notebook as its records have it, and the graph of where things came from. */

import type { Json } from '../wire';
import type { IMetric, IRun } from './runs';

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
