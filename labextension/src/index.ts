/** Wiring only: what JupyterLab gives, the model, the panel, the commands. */

import type { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import { ICommandPalette } from '@jupyterlab/apputils';
import { IDocumentManager } from '@jupyterlab/docmanager';
import { IFileBrowserFactory } from '@jupyterlab/filebrowser';
import { INotebookTracker } from '@jupyterlab/notebook';
import { IRenderMimeRegistry } from '@jupyterlab/rendermime';
import { ISettingRegistry } from '@jupyterlab/settingregistry';
import { IStatusBar } from '@jupyterlab/statusbar';
import { Api } from './api';
import { addCommands } from './commands';
import { labDesk } from './desk';
import { RunsDrive } from './drive';
import { followNotebooks } from './follow';
import { Feed } from './model/feed';
import { PanelModel, type View } from './model/panelModel';
import { NbopsPanel, PANEL_ID, StatusItem } from './widgets';

const plugin: JupyterFrontEndPlugin<void> = {
  id: 'nbops-labextension:plugin',
  description: 'nbops beside the notebook: runs, models, pipelines, monitoring.',
  autoStart: true,
  optional: [
    INotebookTracker,
    IRenderMimeRegistry,
    IDocumentManager,
    ICommandPalette,
    ISettingRegistry,
    IStatusBar,
    IFileBrowserFactory
  ],
  activate: (
    app: JupyterFrontEnd,
    notebooks: INotebookTracker | null,
    rendermime: IRenderMimeRegistry | null,
    documents: IDocumentManager | null,
    palette: ICommandPalette | null,
    settings: ISettingRegistry | null,
    statusBar: IStatusBar | null,
    files: IFileBrowserFactory | null
  ) => {
    const api = new Api(app.serviceManager.serverSettings);
    const feed = new Feed(api, app.serviceManager.events.stream, 10);
    const model = new PanelModel(api, feed);
    const show = (view: View) => {
      model.show(view);
      app.shell.activateById(PANEL_ID);
    };
    const drive = new RunsDrive(api, app.serviceManager.serverSettings);
    app.serviceManager.contents.addDrive(drive);
    const desk = labDesk(app, { notebooks, documents, rendermime, drive, model, show });
    const panel = new NbopsPanel(model, desk);
    app.shell.add(panel, 'right', { rank: 500, type: 'nbops' });
    if (notebooks) {
      followNotebooks(notebooks, model);
    }
    addCommands(app.commands, { model, notebooks, palette, files, show });
    const status = new StatusItem(model, () => show('runs'));
    statusBar?.registerStatusItem(PANEL_ID, { item: status, align: 'left', rank: 900 });
    void settings?.load(plugin.id).then(loaded => {
      const apply = () => {
        feed.setSeconds(loaded.get('refreshSeconds').composite as number);
        status.setHidden(!(loaded.get('statusBar').composite as boolean));
      };
      loaded.changed.connect(apply);
      apply();
    });
  }
};

export default plugin;
