/** Pipelines and single notebooks, run with parameters: the form, the run, its progress. */

import type { IParameter, IPipeline, IPipelineRun, IPlan, IRunDetail, IRunLog } from '../nouns';
import type { Json } from '../wire';
import { items, ViewModel } from './viewModel';

/** A notebook to be run alone, with a form made from its parameters. */
export interface INotebookForm {
  path: string;
  parameters: IParameter[];
  run: IRunDetail | null;
}

export class PipelinesModel extends ViewModel {
  override readonly nouns = new Set(['run', 'record', 'pipeline']);
  pipelines: IPipeline[] = [];
  opened: IPipeline | null = null;
  plan: IPlan | null = null;
  running: IPipelineRun | null = null;
  log: { run: string; log: IRunLog } | null = null;
  notebookForm: INotebookForm | null = null;
  /** A start or stop has been asked for and not answered yet. */
  busy = false;
  private name: string | null = null;
  private runId: string | null = null;

  async open(name: string | null): Promise<void> {
    this.name = name;
    this.opened = this.plan = this.running = this.log = null;
    this.runId = null;
    this.changed();
    if (name !== null) {
      await this.refresh();
    }
  }

  start(
    params: { [name: string]: Json },
    options: { force?: boolean; from_step?: string } = {}
  ): Promise<void> {
    const name = this.name;
    return this.act(async () => {
      if (name !== null) {
        this.runId = (await this.api.startPipeline(name, { params, ...options })).run;
      }
    });
  }

  stop(): Promise<void> {
    const id = this.runId;
    return this.act(async () => {
      if (id !== null) {
        await this.api.stopPipeline(id);
      }
    });
  }

  /** Go on with the run. Null, or what would be repeated if it were allowed to repeat effects. */
  async resume(repeatEffects = false): Promise<string | null> {
    const id = this.runId;
    await this.act(async () => {
      if (id !== null) {
        this.runId = (await this.api.resumePipeline(id, repeatEffects)).run;
      }
    });
    const refused =
      this.problem?.name === 'RefusedError' && this.problem.message.includes('--repeat-effects');
    return refused && this.problem ? this.problem.message : null;
  }

  async showLog(run: string): Promise<void> {
    if (this.log?.run === run) {
      this.log = null;
      this.changed();
      return;
    }
    const log = await this.attempt(() => this.api.runLog(run));
    if (log) {
      this.log = { run, log };
      this.changed();
    }
  }

  /** The form of one notebook, from its parameters cell. */
  async openNotebook(path: string): Promise<void> {
    this.name = this.opened = null;
    const answer = await this.attempt(() => this.api.at(path).parameters());
    if (answer) {
      this.notebookForm = { path, parameters: answer.parameters, run: null };
    }
    this.changed();
  }

  closeNotebook(): void {
    this.notebookForm = null;
    this.changed();
  }

  startNotebook(params: { [name: string]: Json }): Promise<void> {
    return this.act(async () => {
      const form = this.notebookForm;
      if (form) {
        const { run } = await this.api.at(form.path).startNotebook(params);
        this.notebookForm = { ...form, run: await this.api.at(form.path).run(run) };
      }
    });
  }

  protected async load(): Promise<() => void> {
    const name = this.name;
    const form = this.notebookForm;
    const [pipelines, opened, plan, notebookRun] = await Promise.all([
      this.api.pipelines(),
      name === null ? null : this.api.pipeline(name),
      name === null ? null : this.api.plan(name).catch(() => null),
      form?.run && !form.run.run.ended_at ? this.api.at(form.path).run(form.run.run.id) : null
    ]);
    const runId = this.runId ?? opened?.last_run?.id ?? null;
    const running = runId === null ? null : await this.api.pipelineRun(runId);
    return () => {
      this.pipelines = items(pipelines);
      if (name === this.name) {
        this.opened = opened;
        this.plan = plan;
        this.running = running;
        this.runId = runId;
      }
      if (notebookRun && this.notebookForm === form && form) {
        this.notebookForm = { ...form, run: notebookRun };
      }
    };
  }

  protected clear(): void {
    this.pipelines = [];
    this.opened = this.plan = this.running = this.log = this.notebookForm = null;
    this.name = this.runId = null;
  }

  private async act(act: () => Promise<void>): Promise<void> {
    this.busy = true;
    this.changed();
    const ok = await this.attempt(async () => {
      await act();
      return true;
    });
    this.busy = false;
    this.changed();
    if (ok) {
      await this.refresh();
    }
  }
}
