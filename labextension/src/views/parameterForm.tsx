/** A form made from typed parameters. Empty fields keep their defaults, which stand in them greyed. */

import * as React from 'react';
import { kindOf, read, text, type Typed } from '../form';
import type { IParameter } from '../nouns';
import type { Json } from '../wire';
import { Field } from './promote';

export function ParameterForm(props: {
  parameters: readonly IParameter[];
  action: string;
  disabled: boolean;
  onSubmit: (params: { [name: string]: Json }) => void;
  children?: React.ReactNode;
}): JSX.Element {
  const { parameters } = props;
  const [typed, setTyped] = React.useState<Typed>({});
  const [problems, setProblems] = React.useState<{ [name: string]: string }>({});
  const set = (name: string, value: string | boolean | undefined) => {
    const next = { ...typed };
    if (value === undefined) {
      delete next[name];
    } else {
      next[name] = value;
    }
    setTyped(next);
  };
  return (
    <form
      className="nbops-Form"
      noValidate
      onSubmit={event => {
        event.preventDefault();
        const result = read(parameters, typed);
        setProblems(result.problems);
        if (Object.keys(result.problems).length === 0) {
          props.onSubmit(result.params);
        }
      }}
    >
      {parameters.length === 0 && (
        <p className="nbops-quiet">It takes no parameters: tag a cell “parameters” to give it some.</p>
      )}
      {parameters.map(parameter => (
        <Field
          key={parameter.name}
          label={parameter.name}
          help={helpOf(parameter)}
          problem={problems[parameter.name]}
        >
          <Input
            parameter={parameter}
            value={typed[parameter.name]}
            invalid={parameter.name in problems}
            onChange={value => set(parameter.name, value)}
          />
        </Field>
      ))}
      <div className="nbops-row">
        <button type="submit" className="nbops-Button nbops-primary" disabled={props.disabled}>
          {props.action}
        </button>
        {props.children}
      </div>
    </form>
  );
}

function helpOf(parameter: IParameter): string {
  const bounds =
    parameter.bounds ||
    [
      typeof parameter.min === 'number' ? `≥ ${parameter.min}` : '',
      typeof parameter.max === 'number' ? `≤ ${parameter.max}` : ''
    ]
      .filter(Boolean)
      .join(', ');
  const type = parameter.type === 'Any' ? '' : parameter.type;
  const steps = (parameter.steps ?? []).length > 1 ? `of ${parameter.steps!.join(', ')}` : '';
  return [parameter.help ?? '', [type, bounds].filter(Boolean).join(' '), steps].filter(Boolean).join(' · ');
}

function Input(props: {
  parameter: IParameter;
  value: string | boolean | undefined;
  invalid: boolean;
  onChange: (value: string | boolean | undefined) => void;
}): JSX.Element {
  const { parameter, value, onChange } = props;
  if (parameter.secret) {
    return (
      <input
        className="nbops-Input"
        disabled
        value=""
        placeholder={`secret, from ${parameter.env ?? 'the environment'}`}
      />
    );
  }
  const usual = parameter.default === null ? (parameter.written ?? '') : text(parameter.default);
  const kind = kindOf(parameter);
  if (kind === 'boolean') {
    const checked = typeof value === 'boolean' ? value : parameter.default === true;
    return <input type="checkbox" checked={checked} onChange={event => onChange(event.target.checked)} />;
  }
  if (kind === 'choice') {
    return (
      <select
        className="nbops-Input"
        value={String(value ?? usual)}
        aria-invalid={props.invalid}
        onChange={event => onChange(event.target.value)}
      >
        {parameter.required && <option value="">choose …</option>}
        {parameter.choices!.map(choice => (
          <option key={text(choice)} value={text(choice)}>
            {text(choice)}
          </option>
        ))}
      </select>
    );
  }
  return (
    <input
      className="nbops-Input"
      inputMode={kind === 'integer' ? 'numeric' : kind === 'number' ? 'decimal' : undefined}
      placeholder={usual}
      aria-required={parameter.required}
      aria-invalid={props.invalid}
      value={String(value ?? '')}
      onChange={event => onChange(event.target.value === '' ? undefined : event.target.value)}
    />
  );
}
