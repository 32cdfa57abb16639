/** The desk of the views, in JupyterLab: dialogs, documents, the notebook in front. */

import type { JupyterFrontEnd } from '@jupyterlab/application';
import { Dialog, InputDialog, showDialog } from '@jupyterlab/apputils';
import type { IDocumentManager } from '@jupyterlab/docmanager';
import type { INotebookTracker } from '@jupyterlab/notebook';
import { type IRenderMimeRegistry, MimeModel } from '@jupyterlab/rendermime';
import type { RunsDrive } from './drive';
import type { PanelModel, View } from './model/panelModel';
import { attached } from './views/attached';
import type { IDesk } from './views/desk';

interface IGiven {
  notebooks: INotebookTracker | null;
  documents: IDocumentManager | null;
  rendermime: IRenderMimeRegistry | null;
  drive: RunsDrive;
  model: PanelModel;
  show: (view: View) => void;
}

export function labDesk(app: JupyterFrontEnd, given: IGiven): IDesk {
  const { notebooks, documents, rendermime, drive, model, show } = given;
  const openFile = (path: string) => {
    if (documents) {
      documents.openOrReveal(path);
    } else if (app.commands.hasCommand('docmanager:open')) {
      void app.commands.execute('docmanager:open', { path });
    }
  };
  return {
    rendermime,
    markdown: rendermime && ((text, node) => drawMarkdown(rendermime, text, node)),
    show,
    openFile,
    openExecuted: (run, name) => openFile(drive.pathOf(run, name, model.currentApi)),
    showCell: id => {
      const notebook = notebooks?.currentWidget?.content;
      const index = notebook?.widgets.findIndex(cell => cell.model.id === id) ?? -1;
      if (notebook && index >= 0) {
        notebook.activeCellIndex = index;
        void notebook.scrollToItem(index, 'smart');
      }
    },
    confirm: async (title, body, action) => {
      const answer = await showDialog({
        title,
        body,
        buttons: [Dialog.cancelButton(), Dialog.okButton({ label: action })],
        defaultButton: 0
      });
      return answer.button.accept;
    },
    ask: async (title, label) => {
      const answer = await InputDialog.getText({ title, label });
      return answer.button.accept ? (answer.value ?? '') : null;
    }
  };
}

/** Untrusted: the renderer sanitizes, and runs no script. */
function drawMarkdown(rendermime: IRenderMimeRegistry, text: string, node: HTMLElement): () => void {
  const renderer = rendermime.createRenderer('text/markdown');
  const takeAway = attached(renderer, node);
  void renderer.renderModel(new MimeModel({ trusted: false, data: { 'text/markdown': text } }));
  return takeAway;
}
