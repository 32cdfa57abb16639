/** What is to happen by itself, and what was decided. */

import type { IDecisionRow, ISchedule, ISchedules } from '../nouns';
import { items, ViewModel } from './viewModel';

export class SchedulesModel extends ViewModel {
  override readonly nouns = new Set(['decision', 'job', 'schedule', 'deployment']);
  schedules: ISchedule[] = [];
  worker: ISchedules['worker'] = null;
  decisions: IDecisionRow[] = [];
  /** The notebook that somebody wants to schedule. */
  wish: string | null = null;
  ticking = false;

  setWish(path: string | null): void {
    this.wish = path;
    this.changed();
  }

  async tick(): Promise<void> {
    this.ticking = true;
    this.changed();
    await this.attempt(() => this.api.tick());
    this.ticking = false;
    this.changed();
  }

  protected async load(): Promise<() => void> {
    const [schedules, decisions] = await Promise.all([this.api.schedules(), this.api.decisions()]);
    return () => {
      this.schedules = schedules.items;
      this.worker = schedules.worker;
      this.decisions = items(decisions);
    };
  }

  protected clear(): void {
    this.schedules = [];
    this.decisions = [];
    this.worker = null;
  }
}
