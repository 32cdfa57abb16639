/** What was typed into a form of parameters, as the values to send. The server checks them: here is only what can't be sent. */

import type { IParameter } from './nouns';
import type { Json } from './wire';

/** A field as typed; a parameter that isn't in it keeps its default. */
export type Typed = { [name: string]: string | boolean };

export interface IFormResult {
  params: { [name: string]: Json };
  problems: { [name: string]: string };
}

export type FieldKind = 'choice' | 'boolean' | 'integer' | 'number' | 'text';

export function kindOf(parameter: IParameter): FieldKind {
  if (parameter.choices && parameter.choices.length > 0) {
    return 'choice';
  }
  const type = parameter.base ?? parameter.type.replace(/\s*\|\s*None$/, '').toLowerCase();
  return (
    ({ bool: 'boolean', int: 'integer', float: 'number' } as { [type: string]: FieldKind })[type] ?? 'text'
  );
}

export function read(parameters: readonly IParameter[], typed: Typed): IFormResult {
  const result: IFormResult = { params: {}, problems: {} };
  for (const parameter of parameters) {
    if (parameter.secret) {
      continue;
    }
    const given = typed[parameter.name];
    if (given === undefined || given === '') {
      if (parameter.required) {
        result.problems[parameter.name] = 'A value is needed: it has no default.';
      }
      continue;
    }
    const kind = kindOf(parameter);
    if (kind === 'choice') {
      const choice = parameter.choices!.find(c => text(c) === given);
      result.params[parameter.name] = choice ?? given;
    } else if (kind === 'integer' || kind === 'number') {
      const problem = numberProblem(parameter, kind, String(given));
      if (problem) {
        result.problems[parameter.name] = problem;
      } else {
        // Integers too long for a number go as text, which the server reads whole.
        const n = Number(given);
        result.params[parameter.name] = kind === 'integer' && !Number.isSafeInteger(n) ? given : n;
      }
    } else {
      result.params[parameter.name] = given;
    }
  }
  return result;
}

function numberProblem(parameter: IParameter, kind: 'integer' | 'number', given: string): string | null {
  const n = Number(given);
  if (given.trim() === '' || Number.isNaN(n) || (kind === 'integer' && !/^\s*[-+]?\d+\s*$/.test(given))) {
    return kind === 'integer' ? `${given} is no whole number.` : `${given} is no number.`;
  }
  if (typeof parameter.min === 'number' && n < parameter.min) {
    return `It must be at least ${parameter.min}.`;
  }
  return typeof parameter.max === 'number' && n > parameter.max
    ? `It must be at most ${parameter.max}.`
    : null;
}

/** A default or a choice as it stands in its field. */
export function text(value: Json): string {
  return value === null ? '' : typeof value === 'string' ? value : JSON.stringify(value);
}
