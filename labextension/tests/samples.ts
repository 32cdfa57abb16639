/** Nouns as the server writes them, for the tests. */

import type { ICell, IPromotion, IRun, IRunRow, IStore } from '../src/nouns';

export const CAN = { write: true, promote: true, approve: true, rollback: true, delete: true };

export const STORE: IStore = {
  store: '/home/me/project/.nbops/store.db',
  home: '/home/me/project/.nbops',
  root: '/home/me/project',
  why: 'nbops.toml in /home/me/project',
  exists: true,
  version: '0.1.0',
  identity: 'me',
  durability: 'normal',
  can: CAN,
  seq: 7,
  deployments: ['bikes']
};

export function run(over: Partial<IRun> = {}): IRun {
  return {
    id: 'run-000000000001',
    kind: 'block',
    name: 'ridge',
    experiment: 'first.ipynb',
    status: 'COMPLETED',
    started_at: '2026-03-05T09:00:00Z',
    ended_at: '2026-03-05T09:00:02Z',
    parent: null,
    notebook: 'first.ipynb',
    error: null,
    tags: [],
    contents_path: 'first.ipynb',
    ...over
  };
}

export function row(i: number, over: Partial<IRun> = {}): IRunRow {
  return {
    run: run({ id: `run-${String(i).padStart(12, '0')}`, name: `run ${i}`, ...over }),
    params: { alpha: i / 10 },
    metrics: { mae: 50 - i }
  };
}

export function cell(over: Partial<ICell> = {}): ICell {
  return {
    cell_id: 'c1',
    index: 0,
    run: 'run-1',
    seq: 0,
    execution_count: 3,
    status: 'ok',
    seconds: 0.5,
    overhead_s: 0.002,
    started_at: '2026-03-05T09:00:00Z',
    params: { alpha: 0.5 },
    metrics: [{ name: 'mae', value: 12.5, step: null }],
    models: [{ name: 'model', type: 'sklearn.linear_model.Ridge' }],
    reads: [{ name: 'table', fingerprint: { kind: 'table', digest: 'f1:a', shape: [100, 3], reason: null } }],
    writes: [],
    files: [],
    notes: [],
    badges: [],
    badge_why: {},
    ...over
  };
}

export function promotion(over: Partial<IPromotion> = {}): IPromotion {
  return {
    id: 'p1',
    model: 'bikes',
    alias: 'production',
    deployment: 'bikes',
    action: 'promoted',
    from_version: 1,
    to_version: 2,
    run: 'run-1',
    results: [
      { gate: 'bounds', outcome: 'passed', asked: 'mae at most 60', seen: 'mae 52', why: 'within the bound' }
    ],
    by: 'me',
    at: '2026-03-05T09:00:00Z',
    cause: null,
    ...over
  };
}
