/** What is drawn, as Vega-Lite: pure functions from figures to specifications. Colours are the theme's (views/chart.tsx). */

import type { IComparisonShown } from './model/runsModel';
import type { IDashboard, IDistribution } from './nouns';
import { num, type Json, type Num } from './wire';

export type Spec = { [key: string]: Json };

/** A field's name as Vega reads it: dots and brackets in it would be paths into the row. */
const ROW = { run: 'run', step: 'step', value: 'value', x: 'x', y: 'y' };

/** Finite numbers only: JSON has no others, and a chart no place for them. */
function finite(value: Num | null | undefined): number | null {
  const x = num(value);
  return Number.isFinite(x) ? x : null;
}

/** One metric over its steps, a line a run. */
export function curves(shown: IComparisonShown, metric: string, names: Map<string, string>): Spec {
  const values: Json[] = [];
  for (const { run, curves } of shown.curves) {
    (curves[metric] ?? []).forEach(([step, value], i) => {
      values.push({ run: names.get(run) ?? run, step: step ?? i, value: finite(value) });
    });
  }
  return {
    data: { values },
    height: 160,
    mark: { type: 'line', point: values.length < 60 },
    encoding: {
      x: { field: ROW.step, type: 'quantitative', title: 'step' },
      y: { field: ROW.value, type: 'quantitative', title: metric, scale: { zero: false } },
      color: { field: ROW.run, type: 'nominal', title: null }
    }
  };
}

/** Each run a point: one figure against another. */
export function scatter(points: { run: string; x: Num | null; y: Num | null }[], x: string, y: string): Spec {
  const values = points.map(p => ({ run: p.run, x: finite(p.x), y: finite(p.y) }));
  return {
    data: { values },
    height: 180,
    mark: { type: 'point', filled: true, size: 70 },
    encoding: {
      x: { field: ROW.x, type: 'quantitative', title: x, scale: { zero: false } },
      y: { field: ROW.y, type: 'quantitative', title: y, scale: { zero: false } },
      color: { field: ROW.run, type: 'nominal', title: null },
      tooltip: [
        { field: ROW.run, title: 'run' },
        { field: ROW.x, title: x },
        { field: ROW.y, title: y }
      ]
    }
  };
}

/** An axis of the parallel coordinates: a figure a run, in the order of the runs. */
export interface IAxis {
  name: string;
  values: (Json | undefined)[];
}

/** Each run a line across the axes, each axis from its least to its greatest value; words in the order they come. */
export function parallel(runs: string[], axes: IAxis[]): Spec {
  const values: Json[] = [];
  axes.forEach((axis, i) => {
    const numbers = axis.values.map(v => (typeof v === 'number' ? v : null));
    const words = [...new Set(axis.values.map(v => JSON.stringify(v ?? null)))];
    const known = numbers.filter((n): n is number => n !== null);
    const numeric =
      known.length > 0 && axis.values.every(v => v === undefined || v === null || typeof v === 'number');
    const [least, greatest] = numeric
      ? [Math.min(...known), Math.max(...known)]
      : [0, Math.max(1, words.length - 1)];
    axis.values.forEach((value, j) => {
      const at = numeric ? numbers[j] : words.indexOf(JSON.stringify(value ?? null));
      if (at !== null && at !== undefined) {
        values.push({
          run: runs[j]!,
          axis: axis.name,
          order: i,
          at: greatest > least ? (at - least) / (greatest - least) : 0.5,
          value: typeof value === 'string' ? value : JSON.stringify(value ?? null)
        });
      }
    });
  });
  return {
    data: { values },
    height: 180,
    encoding: {
      x: {
        field: 'axis',
        type: 'nominal',
        sort: { field: 'order' },
        title: null,
        axis: { labelAngle: -20, grid: true }
      },
      y: { field: 'at', type: 'quantitative', axis: null },
      color: { field: 'run', type: 'nominal', title: null },
      detail: { field: 'run' },
      tooltip: [{ field: 'run' }, { field: 'axis' }, { field: 'value' }]
    },
    layer: [{ mark: { type: 'line', strokeWidth: 2 } }, { mark: { type: 'point', filled: true, size: 40 } }]
  };
}

/** The realised error over the periods, a colour a version; the periods scored whose labels haven't come, as a gap that is said. */
export function performance(dashboard: IDashboard, metric: string): Spec {
  const periods = periodsOf(dashboard);
  const values = dashboard.performance
    .filter(p => metric in p.metrics)
    .map(p => ({
      period: p.period,
      version: `version ${p.version}`,
      value: finite(p.metrics[metric]),
      labelled: `${p.rows} of ${p.scored}`
    }));
  const waiting = dashboard.waiting.map(period => ({ period, why: 'labels not there yet' }));
  const x = { field: 'period', type: 'ordinal', sort: null, title: null, scale: { domain: periods } };
  return {
    height: 170,
    layer: [
      {
        data: { values: waiting },
        mark: { type: 'bar', opacity: 0.25, width: { band: 0.9 } },
        encoding: {
          x,
          y: { value: 0 },
          y2: { value: 'height' },
          tooltip: [{ field: 'period' }, { field: 'why' }]
        }
      },
      {
        data: { values },
        mark: { type: 'line', point: true },
        encoding: {
          x,
          y: { field: 'value', type: 'quantitative', title: metric, scale: { zero: false } },
          color: { field: 'version', type: 'nominal', title: null },
          tooltip: [
            { field: 'period' },
            { field: 'version' },
            { field: 'value', title: metric },
            { field: 'labelled' }
          ]
        }
      }
    ]
  };
}

/** Rows scored and rejected, seconds and rows a second, by period. */
export function operation(
  dashboard: IDashboard,
  what: 'rows' | 'rejected' | 'seconds' | 'rows a second'
): Spec {
  const values = dashboard.scorings.map(s => ({
    period: s.period,
    value: what === 'rows a second' ? finite(s.seconds > 0 ? s.rows / s.seconds : null) : finite(s[what])
  }));
  return {
    data: { values },
    height: 70,
    mark: { type: 'bar' },
    encoding: {
      x: { field: 'period', type: 'ordinal', sort: null, title: null, axis: { labels: false, ticks: false } },
      y: { field: 'value', type: 'quantitative', title: null, axis: { tickCount: 3 } },
      tooltip: [{ field: 'period' }, { field: 'value', title: what }]
    }
  };
}

/** The reference's and the period's shares, side by side. */
export function distribution(given: IDistribution): Spec {
  const labels = binLabels(given);
  const values = labels.flatMap((bin, i) => [
    { bin, order: i, of: 'reference', share: finite(given.reference[i]) },
    { bin, order: i, of: 'period', share: finite(given.current[i]) }
  ]);
  return {
    data: { values },
    height: 150,
    mark: { type: 'bar' },
    encoding: {
      x: {
        field: 'bin',
        type: 'ordinal',
        sort: { field: 'order' },
        title: given.column,
        axis: { labelAngle: -40 }
      },
      xOffset: { field: 'of', sort: ['reference', 'period'] },
      y: { field: 'share', type: 'quantitative', title: 'share of rows', axis: { format: '%' } },
      color: { field: 'of', type: 'nominal', title: null, sort: ['reference', 'period'] }
    }
  };
}

/** The bins' names: categories as they are; edges (one more than there are bins) as intervals. */
export function binLabels(given: IDistribution): string[] {
  const n = given.reference.length;
  const text = (v: Json) =>
    typeof v === 'number' ? String(Number(v.toPrecision(4))) : String(v).replace(/^f:/, '');
  if (given.bins.length === n + 1) {
    return given.reference.map((_, i) => `${text(given.bins[i]!)} – ${text(given.bins[i + 1]!)}`);
  }
  return given.reference.map((_, i) => text(given.bins[i] ?? null));
}

/** All periods that anything is known of, in their order. */
export function periodsOf(dashboard: IDashboard): string[] {
  const seen = [
    ...dashboard.scorings.map(s => s.period),
    ...dashboard.performance.map(p => p.period),
    ...dashboard.waiting
  ];
  return [...new Set(seen)].sort();
}
