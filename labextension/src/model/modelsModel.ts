/** The registry: models, versions, history; and a model on its way through the gates. */

import type { ApiError } from '../api';
import type {
  IApproval,
  IGatesReport,
  IModel,
  IModelCard,
  IModelRow,
  IPromotion,
  IPromotionWish
} from '../nouns';
import { asApiError, items, ViewModel } from './viewModel';

/** One promotion, from the wish to its end. `report` is the gates asked without changing anything. */
export interface IPromoting {
  wish: IPromotionWish;
  stage: 'asking' | 'checking' | 'checked' | 'promoting' | 'promoted' | 'refused';
  report: IGatesReport | null;
  done: IPromotion | null;
  error: ApiError | null;
}

export class ModelsModel extends ViewModel {
  override readonly nouns = new Set(['model', 'model version', 'deployment', 'approval', 'promotion']);
  models: IModelRow[] = [];
  approvals: IApproval[] = [];
  opened: IModel | null = null;
  card: { version: number; card: IModelCard } | null = null;
  /** What an alias stood for at the end of a day. */
  at: { date: string; alias: string; version: number | null } | null = null;
  promoting: IPromoting | null = null;
  private openedName: string | null = null;

  async open(name: string | null): Promise<void> {
    this.openedName = name;
    this.card = this.at = null;
    if (name === null) {
      this.opened = null;
      this.changed();
      return;
    }
    await this.refresh();
  }

  async showCard(version: number): Promise<void> {
    const name = this.openedName;
    if (this.card?.version === version || name === null) {
      this.card = null;
      this.changed();
      return;
    }
    const card = await this.attempt(() => this.api.modelCard(name, version));
    if (card && name === this.openedName) {
      this.card = { version, card };
      this.changed();
    }
  }

  async askAt(date: string, alias: string): Promise<void> {
    const name = this.openedName;
    if (name === null || !date) {
      return;
    }
    const answer = await this.attempt(() => this.api.modelAt(name, date, alias));
    if (answer) {
      this.at = { date, alias, version: answer.version };
      this.changed();
    }
  }

  /** Begin a promotion: the form opens with what is known. */
  beginPromotion(wish: Partial<IPromotionWish>): void {
    this.promoting = {
      wish: { source: wish.source ?? '', name: wish.name ?? '', ...wish },
      stage: 'asking',
      report: null,
      done: null,
      error: null
    };
    this.changed();
  }

  setWish(wish: Partial<IPromotionWish>): void {
    if (this.promoting) {
      this.promoting = {
        ...this.promoting,
        wish: { ...this.promoting.wish, ...wish },
        stage: 'asking',
        report: null
      };
      this.changed();
    }
  }

  cancelPromotion(): void {
    this.promoting = null;
    this.changed();
  }

  /** Ask the gates; nothing changes in the store. */
  checkGates(): Promise<void> {
    return this.step('checking', async wish => {
      const report = await this.api.checkPromotion(wish);
      return { report, stage: 'checked' };
    });
  }

  confirmPromotion(): Promise<void> {
    return this.step('promoting', async wish => ({ done: await this.api.promote(wish), stage: 'promoted' }));
  }

  async rollBack(deployment: string, to?: number): Promise<boolean> {
    const done = await this.attempt(() => this.api.rollBack(deployment, to));
    this.touch();
    return done !== null;
  }

  async decide(id: string, approve: boolean, why: string): Promise<boolean> {
    const done = await this.attempt(() => (approve ? this.api.approve(id, why) : this.api.reject(id, why)));
    this.touch();
    return done !== null;
  }

  protected async load(): Promise<() => void> {
    const name = this.openedName;
    const [models, approvals, opened] = await Promise.all([
      this.api.models(),
      this.api.approvals().catch(error => {
        // A store without the approval gate has no list of approvals.
        if (asApiError(error).status === 404) {
          return [];
        }
        throw error;
      }),
      name === null ? null : this.api.model(name)
    ]);
    return () => {
      this.models = items(models);
      this.approvals = items(approvals);
      if (name === this.openedName) {
        this.opened = opened;
      }
    };
  }

  protected clear(): void {
    this.models = this.approvals = [];
    this.opened = this.openedName = this.card = this.at = this.promoting = null;
  }

  private async step(
    stage: 'checking' | 'promoting',
    act: (wish: IPromotionWish) => Promise<Partial<IPromoting>>
  ): Promise<void> {
    const before = this.promoting;
    if (!before) {
      return;
    }
    const going: IPromoting = { ...before, stage, error: null };
    this.promoting = going;
    this.changed();
    let after: Partial<IPromoting>;
    try {
      after = await act(going.wish);
    } catch (error) {
      const said = asApiError(error);
      const refusal = said.detail.promotion ?? null;
      after = { error: said, done: refusal, stage: refusal ? 'refused' : 'asking' };
    }
    if (this.promoting === going) {
      this.promoting = { ...going, ...after };
      this.touch();
      this.changed();
    }
  }
}
