/** Values as people read them. Pure functions; the numbers read as in nbops's cards and tables. */

import { num, type Num } from './wire';

const LONG = 80;
const UNITS = ['B', 'kB', 'MB', 'GB', 'TB'];

/** Six significant digits; integers with thousands separated. */
export function number(value: Num | null | undefined): string {
  const x = num(value);
  if (Number.isNaN(x)) {
    return 'nan';
  }
  if (!Number.isFinite(x)) {
    return x > 0 ? 'inf' : '-inf';
  }
  if (Number.isInteger(x) && Math.abs(x) < 1e15) {
    return x.toLocaleString('en-US');
  }
  const size = Math.abs(x);
  return size >= 1e-4 && size < 1e6 ? String(Number(x.toPrecision(6))) : exponent(x);
}

/** As Python writes it: `1.23457e+06`. */
function exponent(x: number): string {
  const text = Number(x.toPrecision(6)).toExponential();
  return text.replace(/e([+-])(\d)$/, 'e$10$2');
}

/** A parameter's value, as JSON would write it, cut where it is long. */
export function value(given: unknown): string {
  if (typeof given === 'string') {
    const unusual = ['f:nan', 'f:inf', 'f:-inf'].includes(given);
    return cut(unusual ? given.slice(2) : given);
  }
  if (typeof given === 'number') {
    return number(given);
  }
  return cut(JSON.stringify(given) ?? '–');
}

export function cut(text: string, length = LONG): string {
  return text.length <= length ? text : text.slice(0, length - 1) + '…';
}

/** `13,129 × 12`; nothing for what has no shape. */
export function shape(sizes: readonly number[] | undefined): string {
  return (sizes ?? []).map(n => n.toLocaleString('en-US')).join(' × ');
}

/** How long something took: `12 ms`, `3.4 s`, `2 min 5 s`, `3 h 12 min`. */
export function seconds(given: Num | null | undefined): string {
  const s = num(given);
  if (!Number.isFinite(s)) {
    return '–';
  }
  if (s < 1) {
    return `${Math.round(s * 1000)} ms`;
  }
  if (s < 60) {
    return `${s < 10 ? s.toFixed(1) : Math.round(s)} s`;
  }
  const whole = Math.round(s);
  if (whole < 3600) {
    return `${Math.floor(whole / 60)} min ${whole % 60} s`;
  }
  return `${Math.floor(whole / 3600)} h ${Math.floor((whole % 3600) / 60)} min`;
}

/** A moment in the reader's time zone: the time alone where it was today. */
export function when(text: string | null | undefined, now: Date = new Date()): string {
  const at = text ? new Date(text) : null;
  if (at === null || Number.isNaN(at.getTime())) {
    return '–';
  }
  const two = (n: number) => String(n).padStart(2, '0');
  const time = `${two(at.getHours())}:${two(at.getMinutes())}`;
  const day = `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())}`;
  return at.toDateString() === now.toDateString() ? time : `${day} ${time}`;
}

/** Seconds from one moment to another, or to now. */
export function between(from: string, to: string | null, now: Date = new Date()): number {
  return ((to ? new Date(to) : now).getTime() - new Date(from).getTime()) / 1000;
}

export function bytes(size: number): string {
  let amount = size;
  let unit = 0;
  while (amount >= 1000 && unit < UNITS.length - 1) {
    amount /= 1000;
    unit += 1;
  }
  return unit === 0 ? `${size} B` : `${Number(amount.toPrecision(3))} ${UNITS[unit]}`;
}

/** The class of a dotted name: `sklearn.linear_model.Ridge` → `Ridge`. */
export function lastName(dotted: string): string {
  return dotted.slice(dotted.lastIndexOf('.') + 1);
}

/** `1 run`, `2 runs`. */
export function count(n: number, noun: string): string {
  return `${n.toLocaleString('en-US')} ${noun}${n === 1 ? '' : 's'}`;
}

/** The beginning of an id, as the command line shows it and takes it. */
export function shortId(id: string): string {
  return id.slice(0, 8);
}
