/** A cell's record as rows of text, as `nbops.render.card` has them. No DOM: the MIME renderer and the panel draw it. */

import { bytes, cut, lastName, number, shape, value } from './format';
import type { Json, Num } from './wire';

export const RECORD_MIME = 'application/vnd.nbops.record.v1+json';

const FEW = 12;

interface IFingerprint {
  digest: string | null;
  shape: number[];
  reason: string | null;
}
interface IUse {
  name: string;
  fingerprint: IFingerprint;
}
interface IMetric {
  name: string;
  value: Num;
  step: number | null;
  model?: string | null;
  data?: string | null;
  on?: string | null;
}

/** What tells what a metric is of: a record, or what the panel knows of one. */
interface IJudged {
  metrics: IMetric[];
  models: { name: string; digest?: string | null }[];
  reads: { name: string; fingerprint?: { digest: string | null } }[];
  writes: { name: string; fingerprint?: { digest: string | null } }[];
}

/** What of a `CellRecord` the card draws. */
export interface IRecord {
  status: string;
  error: string | null;
  reads: IUse[];
  writes: IUse[];
  params: { [name: string]: Json };
  metrics: IMetric[];
  models: {
    name: string;
    type: string;
    digest: string | null;
    reason: string | null;
    trained_on: string | null;
    on?: string | null;
    metrics?: { [name: string]: Num };
  }[];
  files: { path: string; mode: string; size: number | null; reason: string | null }[];
  artifacts: { name: string; kind: string; about?: { data?: unknown; on?: unknown } | null }[];
  notes: string[];
}

export interface IRow {
  label: string;
  entries: string[];
}

const ENDED: { [status: string]: string } = {
  ok: 'completed',
  error: 'failed',
  interrupted: 'stopped',
  cancelled: 'cancelled'
};

/** The record of a payload, or null where it is none: an output may hold anything. */
export function asRecord(decoded: unknown): IRecord | null {
  if (typeof decoded !== 'object' || decoded === null || Array.isArray(decoded)) {
    return null;
  }
  const given = decoded as { [key: string]: unknown };
  const lists = ['reads', 'writes', 'metrics', 'models', 'files', 'artifacts', 'notes'];
  const empty = Object.fromEntries(lists.map(name => [name, Array.isArray(given[name]) ? given[name] : []]));
  const params = typeof given.params === 'object' && given.params !== null ? given.params : {};
  return typeof given.status === 'string'
    ? ({ error: null, ...given, ...empty, params } as unknown as IRecord)
    : null;
}

/** The name it was tracked under, and how it ended. */
export function heading(record: IRecord, name: string | null): string {
  return `${name ?? 'tracked'} · ${ENDED[record.status] ?? record.status}`;
}

/** What was captured, in one line. */
export function summary(record: IRecord): string {
  const names = dataNames(record);
  const said = record.metrics.slice(0, 3).map(m => {
    const several = record.metrics.filter(other => other.name === m.name).length > 1;
    return `${m.name} ${number(m.value)}${several ? on(m, names) : ''}`;
  });
  if (record.metrics.length > 3) {
    said.push(`${record.metrics.length - 3} more metrics`);
  }
  const fitted = modelsOf(record);
  said.push(...fitted.slice(0, 2).map(m => `${m.name}: ${lastName(m.type)}`));
  if (fitted.length > 2) {
    said.push(`${fitted.length - 2} more model${fitted.length === 3 ? '' : 's'}`);
  }
  if (said.length === 0) {
    const params = Object.keys(record.params).length;
    if (params > 0) {
      said.push(`${params} parameter${params === 1 ? '' : 's'}`);
    }
    const uses = record.writes.length > 0 ? record.writes : record.reads;
    const names = [...new Set(uses.map(u => u.name))];
    if (names.length > 0) {
      said.push(names.slice(0, 3).join(', ') + (names.length > 3 ? ` and ${names.length - 3} more` : ''));
    } else if (record.files.length > 0) {
      said.push(`${record.files.length} file${record.files.length === 1 ? '' : 's'}`);
    }
  }
  if (record.error) {
    said.push(cut(record.error));
  }
  return said.map(part => cut(part, 200)).join(' · ');
}

/** Its metrics: of which model, on which data. */
export function metrics(record: IJudged): string[] {
  const names = dataNames(record);
  const models = byDigest(record.models.map(m => [m.digest, m.name]));
  return record.metrics.map(m => {
    const of = m.model && models.has(m.model) ? ` of ${models.get(m.model)}` : '';
    const step = typeof m.step === 'number' ? ` (step ${number(m.step)})` : '';
    return `${m.name} ${number(m.value)}${of}${on(m, names)}${step}`;
  });
}

type Names = Map<string, string>;

/** The names that data went by, by digest. */
function dataNames(record: Pick<IJudged, 'reads' | 'writes'>): Names {
  return byDigest([...record.writes, ...record.reads].map(u => [u.fingerprint?.digest, u.name]));
}

function byDigest(pairs: [string | null | undefined, string][]): Names {
  return new Map(pairs.filter((pair): pair is [string, string] => typeof pair[0] === 'string'));
}

/** The variable that the data of a metric or report went by, else what the cell's text calls it. */
function on(of: { data?: unknown; on?: unknown }, names: Names): string {
  const said = (typeof of.data === 'string' ? names.get(of.data) : undefined) ?? of.on;
  return typeof said === 'string' ? ` on ${said}` : '';
}

/** Each model once: one judged on several sets of rows stands in the record once for each. */
function modelsOf(record: IRecord): IRecord['models'] {
  const key = (m: IRecord['models'][number]) => JSON.stringify([m.name, m.digest, m.type, m.trained_on]);
  return [...new Map(record.models.map(m => [key(m), m])).values()];
}

/** The first measures of a statsmodels fit: those of other models are metrics. */
function measures(model: IRecord['models'][number]): string {
  const found = model.type.startsWith('statsmodels.') ? Object.entries(model.metrics ?? {}) : [];
  return found
    .slice(0, 3)
    .map(([name, value]) => `, ${name} ${number(value)}`)
    .join('');
}

/** A matrix, a curve, a table of results: what was computed and is no single number. */
function isReport(artifact: IRecord['artifacts'][number]): boolean {
  return artifact.kind === 'detail' && artifact.name !== 'record.json';
}

/** Everything that was captured, by what it is. */
export function rows(record: IRecord): IRow[] {
  const names = dataNames(record);
  const file = (f: IRecord['files'][number]) =>
    [f.path, f.size === null ? '' : bytes(f.size), f.reason ? `(${f.reason})` : ''].filter(Boolean).join(' ');
  const all: IRow[] = [
    { label: 'error', entries: record.error ? [record.error] : [] },
    {
      label: 'metrics',
      entries: metrics(record)
    },
    { label: 'parameters', entries: Object.entries(record.params).map(([k, v]) => `${k} = ${value(v)}`) },
    { label: 'data in', entries: record.reads.map(u => data(u)) },
    { label: 'data out', entries: record.writes.map(u => data(u, record.reads)) },
    {
      label: 'models',
      entries: modelsOf(record).map(m => {
        const trained = (m.trained_on ? names.get(m.trained_on) : undefined) ?? m.on;
        const by = trained ? ` trained on ${trained}` : '';
        const kept = m.digest === null ? ` (not kept: ${m.reason ?? 'unknown'})` : '';
        return `${m.name}: ${lastName(m.type)}${by}${measures(m)}${kept}`;
      })
    },
    { label: 'files read', entries: record.files.filter(f => f.mode === 'read').map(file) },
    { label: 'files written', entries: record.files.filter(f => f.mode !== 'read').map(file) },
    {
      label: 'kept',
      entries: record.artifacts
        .filter(a => a.kind === 'figure' || a.kind === 'file' || isReport(a))
        .map(a => (isReport(a) ? `${a.name}${on(a.about ?? {}, names)}` : `${a.name} (${a.kind})`))
    },
    { label: 'notes', entries: record.notes }
  ];
  return all
    .filter(row => row.entries.length > 0)
    .map(row => ({ label: row.label, entries: few(row.entries) }));
}

function data(use: IUse, before: IUse[] = []): string {
  const text = [use.name, shape(use.fingerprint?.shape)].filter(Boolean).join(' ');
  const digest = use.fingerprint?.digest;
  if (!digest) {
    return `${text} (${use.fingerprint?.reason ?? 'not fingerprinted'})`;
  }
  const was = before.find(u => u.name === use.name)?.fingerprint?.digest;
  return was && was !== digest ? `${text} (changed)` : text;
}

function few(entries: string[]): string[] {
  const short = entries.slice(0, FEW).map(entry => cut(String(entry), 500));
  return entries.length <= FEW ? short : [...short, `and ${number(entries.length - FEW)} more`];
}
