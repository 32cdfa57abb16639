/** A promotion: what is to go where, the gates' report in plain words, then the confirmation. */

import * as React from 'react';
import { count, cut } from '../format';
import type { IPromoting, ModelsModel } from '../model/modelsModel';
import type { IGateResult, IStore } from '../nouns';
import { Back, Button, Chip, Problem, Progress, Section, Text } from './parts';

const VERDICTS = {
  promoted: 'All gates are passed. Nothing has changed yet.',
  pending: 'The gates are passed; a second person must approve. Nothing has changed yet.',
  refused: 'The gates refuse this candidate. Nothing has changed.'
};

export function Promote(props: {
  model: ModelsModel;
  promoting: IPromoting;
  deployments: string[];
  can: IStore['can'];
}): JSX.Element {
  const { model, promoting, deployments, can } = props;
  const { wish, stage, report, done, error } = promoting;
  const busy = stage === 'checking' || stage === 'promoting';
  const results = stage === 'refused' ? (done?.results ?? []) : (done?.results ?? report?.results ?? []);
  const complete = wish.source !== '' && wish.name !== '';
  if (stage === 'promoted' && done) {
    return (
      <article aria-label="Promotion">
        <Back to="Models" onClick={() => model.cancelPromotion()} />
        <h2 className="nbops-Title" role="status">
          {done.action === 'pending' ? (
            <>
              <Text>{cut(done.model, 60)}</Text> waits for a second person’s approval
            </>
          ) : (
            <>
              <Text>{cut(done.model, 60)}</Text> version {done.to_version} is {done.alias} now
            </>
          )}
        </h2>
        {done.deployment && done.action !== 'pending' && <p>Deployed as {cut(done.deployment, 60)}.</p>}
        <GatesReport results={results} />
      </article>
    );
  }
  return (
    <article aria-label="Promotion">
      <Back to="Models" onClick={() => model.cancelPromotion()} />
      <h2 className="nbops-Title">Promote a model</h2>
      <form
        className="nbops-Form"
        onSubmit={event => {
          event.preventDefault();
          void model.checkGates();
        }}
      >
        <Field label="From" help="A notebook, for its latest completed run that made a model; or a run's id.">
          <input
            className="nbops-Input"
            required
            value={wish.source}
            disabled={busy}
            onChange={event => model.setWish({ source: event.target.value })}
          />
        </Field>
        <Field label="Deployment" help="As in nbops.toml, or a new name.">
          <input
            className="nbops-Input"
            required
            list="nbops-deployments"
            value={wish.name}
            disabled={busy}
            onChange={event => model.setWish({ name: event.target.value })}
          />
          <datalist id="nbops-deployments">
            {deployments.map(name => (
              <option key={name} value={name} />
            ))}
          </datalist>
        </Field>
        <details>
          <summary>More</summary>
          <Field label="Model" help="The registered model; by default as the deployment.">
            <Optional value={wish.model} onChange={v => model.setWish({ model: v })} />
          </Field>
          <Field label="Alias" help="By default production.">
            <Optional value={wish.to} onChange={v => model.setWish({ to: v })} />
          </Field>
          <Field label="Candidate" help="Which model of the run, where it made several.">
            <Optional value={wish.candidate} onChange={v => model.setWish({ candidate: v })} />
          </Field>
        </details>
        <div className="nbops-row">
          <button
            type="submit"
            className="nbops-Button nbops-primary"
            disabled={busy || !complete || !can.promote}
          >
            Ask the gates
          </button>
          <Button onClick={() => model.cancelPromotion()}>Cancel</Button>
          {!can.promote && <span className="nbops-quiet">you may not promote on this server</span>}
        </div>
      </form>
      {busy && (
        <Progress label={stage === 'checking' ? 'Asking the gates; nothing changes yet' : 'Promoting'} />
      )}
      {error && stage !== 'refused' && <Problem error={error} />}
      {stage === 'refused' && (
        <p className="nbops-Verdict" data-kind="bad" role="alert">
          Refused: <Text>{error?.message ?? ''}</Text>
        </p>
      )}
      {results.length > 0 && <GatesReport results={results} />}
      {stage === 'checked' && report && (
        <>
          <p className="nbops-Verdict" data-kind={report.would === 'refused' ? 'bad' : 'good'} role="status">
            {VERDICTS[report.would]}
          </p>
          {report.would !== 'refused' && (
            <Button primary onClick={() => void model.confirmPromotion()}>
              {report.would === 'pending' ? 'Ask for approval' : 'Promote it'}
            </Button>
          )}
        </>
      )}
    </article>
  );
}

/** `7 gates passed, 2 not checked`: what wasn't asked for has not failed. */
export function gatesInWords(results: IGateResult[]): string {
  const by = (outcome: string) => results.filter(r => r.outcome === outcome).length;
  const others = ['failed', 'pending', 'not checked']
    .filter(by)
    .map(outcome => `, ${by(outcome)} ${outcome}`);
  return `${count(by('passed'), 'gate')} passed${others.join('')}`;
}

/** Each gate: what it asked, what it saw, and whether that was enough. */
export function GatesReport(props: { results: IGateResult[] }): JSX.Element {
  return (
    <Section title="Gates">
      <ul className="nbops-Gates">
        {props.results.map((r, i) => (
          <li key={i} data-outcome={r.outcome}>
            <p>
              <Chip kind={r.outcome}>{r.outcome}</Chip> <b>{cut(r.gate, 60)}</b>
            </p>
            <dl className="nbops-Facts">
              <dt>asked</dt>
              <dd>
                <Text>{cut(r.asked, 400)}</Text>
              </dd>
              <dt>seen</dt>
              <dd>
                <Text>{cut(r.seen, 400)}</Text>
              </dd>
              {r.why && r.why !== r.seen && (
                <>
                  <dt>so</dt>
                  <dd>
                    <Text>{cut(r.why, 400)}</Text>
                  </dd>
                </>
              )}
            </dl>
          </li>
        ))}
      </ul>
    </Section>
  );
}

export function Field(props: {
  label: string;
  help?: string | null;
  problem?: string | null;
  children: React.ReactNode;
}): JSX.Element {
  return (
    <label className="nbops-Field">
      <span className="nbops-Field-label">
        <bdi>{props.label}</bdi>
      </span>
      {props.children}
      {props.help && (
        <span className="nbops-quiet">
          <bdi>{props.help}</bdi>
        </span>
      )}
      {props.problem && (
        <span className="nbops-Cell-error" role="alert">
          {props.problem}
        </span>
      )}
    </label>
  );
}

function Optional(props: {
  value: string | undefined;
  onChange: (value: string | undefined) => void;
}): JSX.Element {
  return (
    <input
      className="nbops-Input"
      value={props.value ?? ''}
      onChange={event => props.onChange(event.target.value || undefined)}
    />
  );
}
