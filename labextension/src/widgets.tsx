/** The Lumino widgets: the panel in the right side bar, the item in the status bar. */

import { ReactWidget } from '@jupyterlab/ui-components';
import type { Message } from '@lumino/messaging';
import * as React from 'react';
import { logo } from './icon';
import type { PanelModel } from './model/panelModel';
import { Desk, type IDesk } from './views/desk';
import { Panel } from './views/panel';
import { RunStatusItem } from './views/runStatusItem';

export const PANEL_ID = 'nbops-panel';

export class NbopsPanel extends ReactWidget {
  constructor(
    private readonly model: PanelModel,
    private readonly desk: IDesk
  ) {
    super();
    this.id = PANEL_ID;
    this.title.icon = logo;
    this.title.caption = 'nbops';
    this.addClass('nbops-Panel');
    this.node.setAttribute('aria-label', 'nbops');
  }

  protected override render(): JSX.Element {
    return (
      <Desk.Provider value={this.desk}>
        <Panel model={this.model} />
      </Desk.Provider>
    );
  }

  protected override onAfterShow(message: Message): void {
    super.onAfterShow(message);
    this.model.setVisible(true);
  }

  protected override onAfterHide(message: Message): void {
    super.onAfterHide(message);
    this.model.setVisible(false);
  }
}

export class StatusItem extends ReactWidget {
  constructor(
    private readonly model: PanelModel,
    private readonly onClick: () => void
  ) {
    super();
    this.addClass('nbops-StatusItem');
  }

  protected override render(): JSX.Element {
    return <RunStatusItem model={this.model} onClick={this.onClick} />;
  }
}
