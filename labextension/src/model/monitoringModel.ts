/** Deployments and what became of them: performance, drift, operation, alerts, decisions. */

import type { IDashboard, IDeploymentRow, IDistribution } from '../nouns';
import { items, ViewModel } from './viewModel';

export class MonitoringModel extends ViewModel {
  override readonly nouns = new Set([
    'scoring',
    'labels',
    'performance',
    'drift',
    'alert',
    'decision',
    'job',
    'deployment',
    'model'
  ]);
  deployments: IDeploymentRow[] = [];
  dashboard: IDashboard | null = null;
  distribution: { period: string; distribution: IDistribution } | null = null;
  ticking = false;
  private name: string | null = null;

  async open(name: string | null): Promise<void> {
    this.name = name;
    this.dashboard = this.distribution = null;
    this.changed();
    await this.refresh();
  }

  async showDistribution(period: string, column: string): Promise<void> {
    const name = this.dashboard?.deployment.name;
    const shown = this.distribution;
    if (name === undefined || (shown?.period === period && shown.distribution.column === column)) {
      this.distribution = null;
      this.changed();
      return;
    }
    const distribution = await this.attempt(() => this.api.distribution(name, period, column));
    if (distribution) {
      this.distribution = { period, distribution };
      this.changed();
    }
  }

  /** Look at the world now, as `nbops tick` does: what it decides comes back through the store's events. */
  async tick(): Promise<void> {
    this.ticking = true;
    this.changed();
    await this.attempt(() => this.api.tick(this.name ?? undefined));
    this.ticking = false;
    this.changed();
  }

  protected async load(): Promise<() => void> {
    const deployments = items(await this.api.deployments());
    // One deployment needs no choosing.
    const name = this.name ?? (deployments.length === 1 ? deployments[0]!.deployment.name : null);
    const dashboard = name === null ? null : await this.api.dashboard(name);
    return () => {
      this.deployments = deployments;
      if (this.name === null || name === this.name) {
        this.dashboard = dashboard;
      }
    };
  }

  protected clear(): void {
    this.deployments = [];
    this.name = this.dashboard = this.distribution = null;
  }
}
