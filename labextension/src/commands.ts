/** The commands, and where they can be found: palette, toolbar, menu and file browser name them by id (schema/plugin.json). */

import { type ICommandPalette, Notification } from '@jupyterlab/apputils';
import type { IFileBrowserFactory } from '@jupyterlab/filebrowser';
import { type INotebookTracker, NotebookActions } from '@jupyterlab/notebook';
import type { CommandRegistry } from '@lumino/commands';
import { logo } from './icon';
import { setTracking, tracking, type Tracking } from './kernel';
import { isView, type PanelModel, type View, VIEWS } from './model/panelModel';

interface ISurroundings {
  model: PanelModel;
  notebooks: INotebookTracker | null;
  palette: ICommandPalette | null;
  files: IFileBrowserFactory | null;
  show: (view: View) => void;
}

export const COMMANDS = {
  show: 'nbops:show',
  track: 'nbops:toggle-tracking',
  promote: 'nbops:promote',
  run: 'nbops:run-with-parameters',
  schedule: 'nbops:schedule',
  refresh: 'nbops:refresh'
};

export function addCommands(commands: CommandRegistry, around: ISurroundings): void {
  const { model, notebooks, palette, files, show } = around;
  const states = new Map<string, Tracking>(); // by kernel id
  const kernel = () => notebooks?.currentWidget?.sessionContext.session?.kernel ?? null;
  const current = () => states.get(kernel()?.id ?? '') ?? 'absent';
  const chosen = (args: { [name: string]: unknown }): string | null => {
    const item =
      args.from === 'filebrowser' ? files?.tracker.currentWidget?.selectedItems().next().value : null;
    return item?.path ?? notebooks?.currentWidget?.context.path ?? null;
  };

  commands.addCommand(COMMANDS.show, {
    label: args => VIEWS.find(([id]) => id === args.view)?.[1] ?? 'Show the nbops panel',
    caption: 'Show what nbops knows',
    execute: args => show(isView(args.view) ? args.view : model.view)
  });

  commands.addCommand(COMMANDS.track, {
    label: () => (current() === 'auto' ? 'Tracking' : 'Track'),
    caption: () =>
      current() === 'auto'
        ? 'nbops tracks every cell; click to track only those marked %%track'
        : 'Track every cell with nbops',
    isEnabled: () => kernel() !== null && notebooks?.currentWidget?.model?.defaultKernelLanguage === 'python',
    isToggled: () => current() === 'auto',
    isToggleable: true,
    execute: async () => {
      const connection = kernel();
      if (connection === null) {
        return;
      }
      try {
        const now = await setTracking(connection, current() !== 'auto');
        states.set(connection.id, now ?? 'absent');
      } catch (error) {
        Notification.error(
          `nbops could not be switched in this kernel: ${error instanceof Error ? error.message : error}.` +
            ' Is nbops installed in its environment?',
          { autoClose: 10_000 }
        );
      }
      commands.notifyCommandChanged(COMMANDS.track);
    }
  });

  commands.addCommand(COMMANDS.promote, {
    label: 'Promote…',
    caption: "Take this notebook's model through its gates into production",
    isEnabled: () => model.path !== null && model.can.promote,
    execute: () => {
      const names = model.store?.deployments ?? [];
      model.models.beginPromotion({ source: model.path ?? '', name: names.length === 1 ? names[0] : '' });
      show('models');
    }
  });

  commands.addCommand(COMMANDS.run, {
    label: 'Run with parameters…',
    caption: 'Run this notebook as a job, with values for its parameters',
    icon: args => (args.from === 'filebrowser' ? logo : undefined),
    isEnabled: args => chosen(args) !== null,
    execute: args => {
      const path = chosen(args);
      if (path !== null) {
        void model.pipelines.openNotebook(path);
        show('pipelines');
      }
    }
  });

  commands.addCommand(COMMANDS.schedule, {
    label: 'Schedule…',
    caption: 'Run this notebook at set times',
    icon: args => (args.from === 'filebrowser' ? logo : undefined),
    isEnabled: args => chosen(args) !== null,
    execute: args => {
      model.schedules.setWish(chosen(args));
      show('schedules');
    }
  });

  commands.addCommand(COMMANDS.refresh, {
    label: 'Refresh the nbops panel',
    execute: () => model.refresh()
  });

  /** Ask the kernel in front; not a busy one, where the question would wait behind a long cell. */
  const ask = async () => {
    const connection = kernel();
    if (connection !== null && connection.status !== 'busy') {
      states.set(connection.id, (await tracking(connection)) ?? 'absent');
    }
    changed();
  };
  const changed = () => [COMMANDS.track, COMMANDS.promote].forEach(id => commands.notifyCommandChanged(id));
  notebooks?.currentChanged.connect(() => void ask());
  notebooks?.widgetAdded.connect((_, panel) => {
    panel.sessionContext.kernelChanged.connect(() => void ask());
    panel.sessionContext.statusChanged.connect((_, status) => {
      if (status === 'restarting' || status === 'autorestarting') {
        states.delete(panel.sessionContext.session?.kernel?.id ?? '');
        changed();
      }
    });
  });
  // Somebody typed %load_ext nbops or %nbops auto on. (Not whenever it is idle again: asking makes it busy, then idle.)
  NotebookActions.executed.connect((_, { cell }) => {
    if (cell.model.sharedModel.getSource().includes('nbops')) {
      void ask();
    }
  });
  model.stateChanged.connect(() => commands.notifyCommandChanged(COMMANDS.promote));

  for (const [view] of VIEWS) {
    palette?.addItem({ command: COMMANDS.show, category: 'nbops', args: { view } });
  }
  for (const command of [
    COMMANDS.track,
    COMMANDS.promote,
    COMMANDS.run,
    COMMANDS.schedule,
    COMMANDS.refresh
  ]) {
    palette?.addItem({ command, category: 'nbops' });
  }
}
