/** Values as people read them: the same as nbops's cards and tables in Python write. */

import { describe, expect, it } from 'vitest';
import { between, bytes, count, number, seconds, shape, shortId, value, when } from '../src/format';
import { decode, num } from '../src/wire';

describe('numbers of the wire', () => {
  it.each([
    ['f:nan', NaN],
    ['f:inf', Infinity],
    ['f:-inf', -Infinity],
    ['f:1.0', 1],
    ['f:1e+16', 1e16],
    [2.5, 2.5],
    [null, NaN],
    ['', NaN]
  ])('%s is %s', (given, meant) => expect(num(given)).toBe(meant));

  it('decodes what is nested', () => {
    expect(decode({ a: ['f:-0.0', 's:s:x', true, null] })).toEqual({ a: [-0, 's:x', true, null] });
  });
});

describe('formats', () => {
  it('shortens an id to the beginning that the command line takes', () => {
    expect(shortId('c2b1b16511922412')).toBe('c2b1b165');
  });

  it.each([
    [0.123456789, '0.123457'],
    [1234567, '1,234,567'],
    [1234567.8, '1.23457e+06'],
    [0.00001234, '1.234e-05'],
    [52, '52'],
    ['f:nan', 'nan'],
    ['f:-inf', '-inf']
  ])('number %s → %s', (given, text) => expect(number(given)).toBe(text));

  it.each([
    [0.0123, '12 ms'],
    [3.44, '3.4 s'],
    [42.4, '42 s'],
    [125, '2 min 5 s'],
    [59.99, '60 s'],
    [11_520, '3 h 12 min'],
    ['f:nan', '–']
  ])('%s seconds → %s', (given, text) => expect(seconds(given)).toBe(text));

  it('writes other things as people do', () => {
    expect(shape([13129, 12])).toBe('13,129 × 12');
    expect(bytes(999)).toBe('999 B');
    expect(bytes(1_234_567)).toBe('1.23 MB');
    expect(count(1, 'run')).toBe('1 run');
    expect(count(2000, 'run')).toBe('2,000 runs');
    expect(value('f:nan')).toBe('nan');
    expect(value({ a: [1, 2] })).toBe('{"a":[1,2]}');
    expect(value('x'.repeat(100))).toHaveLength(80);
  });

  it('says the day unless it is today, and dashes for no moment', () => {
    const now = new Date('2026-03-05T12:00:00');
    expect(when('2026-03-05T09:07:00', now)).toBe('09:07');
    expect(when('2026-03-04T09:07:00', now)).toBe('2026-03-04 09:07');
    expect(when(null)).toBe('–');
    expect(when('what')).toBe('–');
    expect(between('2026-03-05T09:00:00', '2026-03-05T09:01:30')).toBe(90);
  });
});
