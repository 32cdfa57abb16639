/**
 * The executed notebooks that are kept with their runs, as a drive that can only be read: `nbops:RUN/NAME.ipynb`.
 *
 * They lie in the store, which the server's file routes don't show; a kept copy is what ran, whatever became of the file.
 */

import type { Contents, ServerConnection } from '@jupyterlab/services';
import { Signal, type ISignal } from '@lumino/signaling';
import { ApiError, type Api } from './api';

const READ_ONLY = 'what a run left behind can be read, not changed; save a copy elsewhere';

export class RunsDrive implements Contents.IDrive {
  readonly name = 'nbops';
  isDisposed = false;
  private readonly _fileChanged = new Signal<this, Contents.IChangedArgs>(this);
  private readonly apis = new Map<string, Api>();

  constructor(
    private readonly api: Api,
    readonly serverSettings: ServerConnection.ISettings
  ) {}

  get fileChanged(): ISignal<this, Contents.IChangedArgs> {
    return this._fileChanged;
  }

  /** The path under which Lab finds what a run executed. `api` knows the workspace that the run is of. */
  pathOf(run: string, name: string, api: Api): string {
    this.apis.set(run, api);
    return `${this.name}:${run}/${name.replace(/[^\w. -]/g, '_')}.ipynb`;
  }

  async get(localPath: string, options?: Contents.IFetchOptions): Promise<Contents.IModel> {
    const [run, file] = localPath.split('/');
    const date = run ? await this.dateOf(run) : new Date().toISOString();
    const model: Contents.IModel = {
      name: file ?? '',
      path: localPath,
      type: file ? 'notebook' : 'directory',
      writable: false,
      created: date,
      last_modified: date,
      mimetype: '',
      content: file ? null : [],
      format: 'json'
    };
    if (run && file && options?.content !== false) {
      const api = this.apis.get(run) ?? this.api;
      const { artifact } = await api.runLog(run);
      if (artifact === null) {
        throw new ApiError(`no executed notebook is kept of run ${run}`, 404, 'UnknownNameError', {});
      }
      return { ...model, content: await api.artifactJson(run, artifact) };
    }
    return model;
  }

  /** When the run ended, or began where it never did: Lab shows a file's date, and throws at one that is none. */
  private async dateOf(id: string): Promise<string> {
    const { run } = await (this.apis.get(id) ?? this.api).run(id);
    return run.ended_at ?? run.started_at;
  }

  async getDownloadUrl(localPath: string): Promise<string> {
    const run = localPath.split('/')[0] ?? '';
    const api = this.apis.get(run) ?? this.api;
    return api.artifactUrl(run, (await api.runLog(run)).artifact ?? '');
  }

  async listCheckpoints(): Promise<Contents.ICheckpointModel[]> {
    return [];
  }

  newUntitled = refuse;
  delete = refuse;
  rename = refuse;
  save = refuse;
  copy = refuse;
  createCheckpoint = refuse;
  restoreCheckpoint = refuse;
  deleteCheckpoint = refuse;

  dispose(): void {
    this.isDisposed = true;
    Signal.clearData(this);
  }
}

async function refuse(): Promise<never> {
  throw new Error(READ_ONLY);
}
