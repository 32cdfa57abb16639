/**
 * The canonical form (`nbops.core.canonical`), read back: what JSON cannot carry travels as tagged strings.
 *
 * A record in a notebook is wholly encoded: `decode` it. The server's answers are plain JSON in which only NaN and
 * the infinities are tagged: read their numbers with `num`.
 */

export type Json = null | boolean | number | string | Json[] | { [key: string]: Json };

/** A number of the wire: NaN and the infinities are the strings `f:nan`, `f:inf`, `f:-inf`. */
export type Num = number | string;

const UNUSUAL: { [text: string]: number } = { inf: Infinity, '-inf': -Infinity, nan: NaN };

/** The number that was meant; NaN for what is no number. */
export function num(value: Num | null | undefined): number {
  if (typeof value === 'number') {
    return value;
  }
  if (typeof value !== 'string') {
    return NaN;
  }
  const text = value.startsWith('f:') || value.startsWith('i:') ? value.slice(2) : value;
  return text in UNUSUAL ? UNUSUAL[text]! : text === '' ? NaN : Number(text);
}

/** A value as the server reads it: text that would be taken for a tagged one is marked as text. */
export function encode(value: Json): Json {
  if (typeof value === 'string') {
    return /^[ifs]:/.test(value) ? `s:${value}` : value;
  }
  if (Array.isArray(value)) {
    return value.map(encode);
  }
  if (value !== null && typeof value === 'object') {
    return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, encode(item)]));
  }
  return value;
}

/** A canonically encoded value as it was. Integers beyond 2**53 stay text: their digits are what is shown. */
export function decode(value: Json): Json {
  if (typeof value === 'string') {
    if (value.startsWith('s:') || value.startsWith('i:')) {
      return value.slice(2);
    }
    return value.startsWith('f:') ? num(value) : value;
  }
  if (Array.isArray(value)) {
    return value.map(decode);
  }
  if (value !== null && typeof value === 'object') {
    return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, decode(item)]));
  }
  return value;
}
