/**
 * Following the notebook in front: which one it is, when it is saved, when a tracked cell has put out its record.
 *
 * A record in an output of a running cell means that the store has just changed: the panel then asks at once instead
 * of waiting for the server to notice. Each notebook is followed once, however often it comes to the front.
 */

import type { INotebookTracker, NotebookPanel } from '@jupyterlab/notebook';
import type { KernelMessage } from '@jupyterlab/services';
import { RECORD_MIME } from './card';
import type { PanelModel } from './model/panelModel';

export function followNotebooks(notebooks: INotebookTracker, model: PanelModel): void {
  notebooks.widgetAdded.connect((_, panel) => follow(panel, notebooks, model));
  notebooks.forEach(panel => follow(panel, notebooks, model));
  const front = () => model.setPath(notebooks.currentWidget?.context.path ?? null);
  notebooks.currentChanged.connect(front);
  notebooks.activeCellChanged.connect((_, cell) => model.notebook.setActiveCell(cell?.model.id ?? null));
  front();
}

function follow(panel: NotebookPanel, notebooks: INotebookTracker, model: PanelModel): void {
  panel.context.pathChanged.connect(() => {
    if (notebooks.currentWidget === panel) {
      model.setPath(panel.context.path);
    }
  });
  panel.context.saveState.connect((_, state) => {
    // Whether a cell was edited after it ran is seen in the saved file.
    if (state === 'completed' && notebooks.currentWidget === panel) {
      model.notebook.touch();
    }
  });
  panel.sessionContext.iopubMessage.connect((_, message) => {
    if (carriesRecord(message)) {
      model.nudge();
    }
  });
}

function carriesRecord(message: KernelMessage.IMessage): boolean {
  const type = message.header.msg_type;
  if (type !== 'display_data' && type !== 'execute_result' && type !== 'update_display_data') {
    return false;
  }
  const content = message.content as { data?: { [mime: string]: unknown } };
  return content.data !== undefined && RECORD_MIME in content.data;
}
