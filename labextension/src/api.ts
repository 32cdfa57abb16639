/** One typed function a route of `nbops.server`. Nothing here knows a widget; an error of the server is an `ApiError`. */

import { URLExt } from '@jupyterlab/coreutils';
import { ServerConnection } from '@jupyterlab/services';
import type * as nouns from './nouns';
import { encode, type Json } from './wire';

/** What the server said went wrong: the domain's own sentence. */
export class ApiError extends Error {
  constructor(
    message: string,
    readonly status: number,
    override readonly name: string,
    readonly detail: { promotion?: nouns.IPromotion | null }
  ) {
    super(message);
  }
}

type Query = { [name: string]: string | number | boolean | null | undefined };

export interface IRunsQuery {
  filter?: string;
  sort?: string;
  descending?: boolean;
  limit?: number;
  offset?: number;
  columns?: string;
}

/**
 * `path` is the notebook or folder whose workspace is meant, relative to the server's root; null for the root itself.
 */
export class Api {
  constructor(
    private readonly settings: ServerConnection.ISettings = ServerConnection.makeSettings(),
    public path: string | null = null
  ) {}

  store = () => this.get<nouns.IStore>('store');
  newest = () => this.get<nouns.IEvents>('events');
  events = (after: number) => this.get<nouns.IEvents>('events', { after });

  runs = (query: IRunsQuery) => this.get<nouns.IPage<nouns.IRunRow>>('runs', { ...query });
  runColumns = () => this.get<nouns.IRunColumns>('runs/columns');
  run = (id: string) => this.get<nouns.IRunDetail>(`runs/${part(id)}`);
  curves = (id: string) => this.get<nouns.ICurves>(`runs/${part(id)}/metrics`);
  runLog = (id: string) => this.get<nouns.IRunLog>(`runs/${part(id)}/log`);
  compare = (ids: readonly string[]) => this.get<nouns.IComparison>('compare', { runs: ids.join(',') });

  notebook = () => this.get<nouns.INotebook>('notebook');
  lineage = (of?: string) => this.get<nouns.IGraph>('lineage', { of });

  models = () => this.get<nouns.IPage<nouns.IModelRow>>('models');
  model = (name: string) => this.get<nouns.IModel>(`models/${part(name)}`);
  modelAt = (name: string, date: string, alias: string) =>
    this.get<{ version: number | null }>(`models/${part(name)}/at`, { date, alias });
  modelCard = (name: string, version: number) =>
    this.get<nouns.IModelCard>(`models/${part(name)}/${version}/card`);

  checkPromotion = (wish: nouns.IPromotionWish) => this.post<nouns.IGatesReport>('promotions/check', wish);
  promote = (wish: nouns.IPromotionWish) => this.post<nouns.IPromotion>('promotions', wish);
  rollBack = (deployment: string, to?: number) =>
    this.post<nouns.IPromotion>('rollbacks', { deployment, to });
  approvals = () => this.get<nouns.IPage<nouns.IApproval>>('approvals');
  approve = (id: string, why: string) =>
    this.post<nouns.IPromotion>(`promotions/${part(id)}/approve`, { why });
  reject = (id: string, why: string) => this.post<nouns.IPromotion>(`promotions/${part(id)}/reject`, { why });

  pipelines = () => this.get<nouns.IPipeline[]>('pipelines');
  pipeline = (name: string) => this.get<nouns.IPipeline>(`pipelines/${part(name)}`);
  plan = (name: string) => this.get<nouns.IPlan>(`pipelines/${part(name)}/plan`);
  startPipeline = (
    name: string,
    wish: { params: { [name: string]: Json }; force?: boolean; from_step?: string }
  ) => this.post<{ run: string }>(`pipelines/${part(name)}/runs`, wish);
  pipelineRun = (id: string) => this.get<nouns.IPipelineRun>(`pipelines/runs/${part(id)}`);
  stopPipeline = (id: string) => this.post<unknown>(`pipelines/runs/${part(id)}/stop`, {});
  resumePipeline = (id: string, repeatEffects: boolean) =>
    this.post<{ run: string }>(
      `pipelines/runs/${part(id)}/resume`,
      repeatEffects ? { repeat_effects: true } : {}
    );
  parameters = () => this.get<{ parameters: nouns.IParameter[] }>('notebooks/parameters');
  startNotebook = (params: { [name: string]: Json }) =>
    this.post<{ run: string }>('notebooks/runs', { params });

  deployments = () => this.get<nouns.IDeploymentRow[]>('deployments');
  dashboard = (name: string) => this.get<nouns.IDashboard>(`deployments/${part(name)}/dashboard`);
  distribution = (name: string, period: string, column: string) =>
    this.get<nouns.IDistribution>(`deployments/${part(name)}/drift/${part(period)}/${part(column)}`);
  decisions = () => this.get<nouns.IPage<nouns.IDecisionRow> | nouns.IDecisionRow[]>('decisions');
  tick = (deployment?: string) => this.post<unknown>('tick', deployment ? { deployment } : {});
  schedules = () => this.get<nouns.ISchedules>('schedules');
  addSchedule = (wish: nouns.IScheduleWish) => this.post<unknown>('schedules', wish);
  steerSchedule = (name: string, act: 'pause' | 'resume' | 'run-now') =>
    this.post<unknown>(`schedules/${part(name)}/${act}`, {});
  scheduleHistory = (name: string) =>
    this.get<{ items: nouns.IDecisionRow[] }>(`schedules/${part(name)}/history`);

  /** The same routes for another notebook or folder. */
  at(path: string | null): Api {
    return new Api(this.settings, path);
  }

  /** The address of a kept artifact, for a link or an image. */
  artifactUrl(run: string, digest: string): string {
    return this.url(`runs/${part(run)}/artifacts/${part(digest)}`);
  }

  artifactJson = (run: string, digest: string) =>
    this.get<{ [key: string]: Json }>(`runs/${part(run)}/artifacts/${part(digest)}`);

  private url(route: string, query: Query = {}): string {
    const given = Object.entries({ path: this.path, ...query }).filter(
      ([, v]) => v !== null && v !== undefined && v !== ''
    );
    const text = URLExt.objectToQueryString(Object.fromEntries(given.map(([k, v]) => [k, String(v)])));
    return URLExt.join(this.settings.baseUrl, 'nbops', 'api', route) + (text === '?' ? '' : text);
  }

  private get<T>(route: string, query: Query = {}): Promise<T> {
    return this.send<T>(this.url(route, query), {});
  }

  private post<T>(route: string, body: object): Promise<T> {
    return this.send<T>(this.url(route), { method: 'POST', body: JSON.stringify(encode(body as Json)) });
  }

  private async send<T>(url: string, init: RequestInit): Promise<T> {
    let response: Response;
    try {
      response = await ServerConnection.makeRequest(url, init, this.settings);
    } catch {
      throw new ApiError('the Jupyter server does not answer; is it still running?', 0, 'NoAnswer', {});
    }
    const text = await response.text();
    let said: { message?: string; error?: string; detail?: object } & object = {};
    try {
      said = text ? JSON.parse(text) : {};
    } catch {
      const message =
        response.status === 404
          ? 'this Jupyter server has no nbops: install nbops in its environment and restart it'
          : `the server answered ${response.status} with something that is no JSON`;
      throw new ApiError(message, response.status, 'NoJson', {});
    }
    if (!response.ok) {
      const message = said.message ?? `the server answered ${response.status} ${response.statusText}`;
      throw new ApiError(message, response.status, said.error ?? 'Error', said.detail ?? {});
    }
    return said as T;
  }
}

/** A name as one part of a path: encoded whole, slashes included. */
function part(name: string): string {
  return encodeURIComponent(name);
}
