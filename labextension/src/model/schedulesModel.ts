/** What is to happen by itself, and what was decided. */

import type { IDecisionRow, ISchedule, ISchedules, IScheduleWish } from '../nouns';
import { items, ViewModel } from './viewModel';

export class SchedulesModel extends ViewModel {
  override readonly nouns = new Set(['decision', 'job', 'schedule', 'deployment']);
  schedules: ISchedule[] = [];
  worker: ISchedules['worker'] = null;
  decisions: IDecisionRow[] = [];
  /** The notebook that somebody wants to schedule. */
  wish: string | null = null;
  ticking = false;
  history: { name: string; rows: IDecisionRow[] } | null = null;

  setWish(path: string | null): void {
    this.wish = path;
    this.changed();
  }

  /** Make a schedule for the notebook that was wished for. */
  async add(wish: IScheduleWish): Promise<void> {
    const done = await this.attempt(() => this.api.at(wish.notebook).addSchedule(wish));
    if (done !== null) {
      this.wish = null;
      this.changed();
      await this.refresh();
    }
  }

  async steer(name: string, act: 'pause' | 'resume' | 'run-now'): Promise<void> {
    if ((await this.attempt(() => this.api.steerSchedule(name, act))) !== null) {
      await this.refresh();
    }
  }

  async showHistory(name: string): Promise<void> {
    if (this.history?.name === name) {
      this.history = null;
      this.changed();
      return;
    }
    const found = await this.attempt(() => this.api.scheduleHistory(name));
    if (found) {
      this.history = { name, rows: found.items };
      this.changed();
    }
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
    this.worker = this.history = null;
  }
}
