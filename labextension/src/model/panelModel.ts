/** The panel: which view is shown, of which workspace, and what its header says. */

import { VDomModel } from '@jupyterlab/ui-components';
import type { Api, ApiError } from '../api';
import type { IEvent, IRun, IStore } from '../nouns';
import type { Feed } from './feed';
import { ModelsModel } from './modelsModel';
import { MonitoringModel } from './monitoringModel';
import { NotebookModel } from './notebookModel';
import { PipelinesModel } from './pipelinesModel';
import { RunsModel } from './runsModel';
import { SchedulesModel } from './schedulesModel';
import { asApiError, type ViewModel } from './viewModel';

export const VIEWS = [
  ['notebook', 'This notebook'],
  ['runs', 'Runs'],
  ['models', 'Models'],
  ['pipelines', 'Pipelines'],
  ['monitoring', 'Monitoring'],
  ['schedules', 'Schedules']
] as const;

export type View = (typeof VIEWS)[number][0];

export function isView(name: unknown): name is View {
  return VIEWS.some(([id]) => id === name);
}

export class PanelModel extends VDomModel {
  view: View = 'notebook';
  store: IStore | null = null;
  error: ApiError | null = null;
  /** The notebook in front, relative to the server's root; null where there is none. */
  path: string | null = null;

  readonly notebook: NotebookModel;
  readonly runs: RunsModel;
  readonly models: ModelsModel;
  readonly pipelines: PipelinesModel;
  readonly monitoring: MonitoringModel;
  readonly schedules: SchedulesModel;

  /** The newest run of the workspace: what the status bar shows. */
  current: IRun | null = null;

  private visible = false;

  constructor(
    private api: Api,
    private readonly feed: Feed
  ) {
    super();
    this.notebook = new NotebookModel(api);
    this.runs = new RunsModel(api);
    this.models = new ModelsModel(api);
    this.pipelines = new PipelinesModel(api);
    this.monitoring = new MonitoringModel(api);
    this.schedules = new SchedulesModel(api);
    feed.changed.connect(this.onChanged, this);
    feed.failed.connect(this.onFailed, this);
  }

  /** The routes for the workspace that is shown. */
  get currentApi(): Api {
    return this.api;
  }

  get can(): IStore['can'] {
    return (
      this.store?.can ?? { write: false, promote: false, approve: false, rollback: false, delete: false }
    );
  }

  show(view: View): void {
    this.view = view;
    this.tellShown();
    this.stateChanged.emit();
  }

  /** The panel itself is visible, or not: what nobody sees isn't loaded. */
  setVisible(visible: boolean): void {
    this.visible = visible;
    this.tellShown();
  }

  /** Another notebook is in front: its workspace may be another one. */
  setPath(path: string | null): void {
    if (path === this.path) {
      return;
    }
    this.path = path;
    this.api = this.api.at(path);
    const keepOthers = this.store;
    this.notebook.setApi(this.api);
    void this.loadStore().then(() => {
      // Two notebooks of one workspace share everything but their cells.
      if (keepOthers?.store !== this.store?.store) {
        this.others().forEach(model => model.setApi(this.api));
      }
    });
    this.feed.setApi(this.api);
    this.stateChanged.emit();
  }

  nudge(): void {
    this.feed.nudge();
  }

  /** Everything again, because somebody asked. */
  refresh(): void {
    void this.loadStore();
    this.all().forEach(model => model.touch());
  }

  override dispose(): void {
    this.feed.changed.disconnect(this.onChanged, this);
    this.feed.failed.disconnect(this.onFailed, this);
    this.all().forEach(model => model.dispose());
    super.dispose();
  }

  private all(): ViewModel[] {
    return [this.notebook, ...this.others()];
  }

  private others(): ViewModel[] {
    return [this.runs, this.models, this.pipelines, this.monitoring, this.schedules];
  }

  private tellShown(): void {
    for (const [id] of VIEWS) {
      this[id].setShown(this.visible && this.view === id);
    }
  }

  private onChanged(_: Feed, events: IEvent[] | null): void {
    if (events === null || !this.store?.exists) {
      void this.loadStore();
    }
    const nouns = new Set((events ?? []).map(e => e.noun));
    if (events === null || nouns.has('run')) {
      void this.loadCurrent();
    }
    for (const model of this.all()) {
      if (events === null || model.nouns.size === 0 || [...nouns].some(n => model.nouns.has(n))) {
        model.touch();
      }
    }
  }

  private onFailed(_: Feed, error: ApiError | null): void {
    if (error !== null || this.error !== null) {
      this.error = error;
      this.stateChanged.emit();
    }
  }

  private async loadCurrent(): Promise<void> {
    const api = this.api;
    try {
      const newest = await api.runs({ sort: 'started_at', descending: true, limit: 1 });
      if (api === this.api) {
        this.current = newest.items[0]?.run ?? null;
        this.stateChanged.emit();
      }
    } catch {
      // The feed says it when the server is gone; a status item alone is no reason for another message.
    }
  }

  private async loadStore(): Promise<void> {
    const api = this.api;
    try {
      const store = await api.store();
      if (api === this.api) {
        this.store = store;
        this.error = null;
      }
    } catch (error) {
      if (api === this.api) {
        this.error = asApiError(error);
      }
    }
    this.stateChanged.emit();
  }
}
