/** The views, drawn with a faked network: what they show, what they offer, and that text stays text. */

import { act, cleanup, fireEvent, render, screen, within } from '@testing-library/react';
import * as React from 'react';
import { afterEach, describe, expect, it } from 'vitest';
import { Feed } from '../src/model/feed';
import { ModelsModel } from '../src/model/modelsModel';
import { MonitoringModel } from '../src/model/monitoringModel';
import { NotebookModel } from '../src/model/notebookModel';
import { PanelModel, type View } from '../src/model/panelModel';
import { PipelinesModel } from '../src/model/pipelinesModel';
import { RunsModel } from '../src/model/runsModel';
import { SchedulesModel } from '../src/model/schedulesModel';
import type { IGateResult, IParameter } from '../src/nouns';
import { Desk, type IDesk } from '../src/views/desk';
import { ModelsView } from '../src/views/models';
import { MonitoringView } from '../src/views/monitoring';
import { NotebookView } from '../src/views/notebook';
import { Panel } from '../src/views/panel';
import { PipelinesView } from '../src/views/pipelines';
import { gatesInWords } from '../src/views/promote';
import { RunsView } from '../src/views/runs';
import { SchedulesView } from '../src/views/schedules';
import { FakeServer, Refusal, settled } from './fakeServer';
import { CAN, cell, promotion, row, run, STORE } from './samples';

afterEach(cleanup);

const HOSTILE = '<img src=x onerror="window.hit=1"></script>\u202Egnp.exe';

function desk(over: Partial<IDesk> = {}): IDesk {
  return {
    rendermime: null,
    markdown: null,
    openFile: () => undefined,
    openExecuted: () => undefined,
    showCell: () => undefined,
    confirm: async () => true,
    ask: async () => 'because',
    show: () => undefined,
    ...over
  };
}

async function draw(element: JSX.Element, over: Partial<IDesk> = {}): Promise<void> {
  render(<Desk.Provider value={desk(over)}>{element}</Desk.Provider>);
  await act(settled);
}

describe('the panel', () => {
  it('is six tabs of which arrows choose one, below a header that says which store and why', async () => {
    const server = new FakeServer({
      store: STORE,
      events: { seq: 1 },
      runs: { items: [], total: 0 },
      models: [],
      approvals: []
    });
    const feed = new Feed(server.api, null, 1000, 'never');
    const model = new PanelModel(server.api, feed);
    model.setVisible(true);
    await draw(<Panel model={model} />);
    expect(screen.getByText(STORE.store)).toBeTruthy();
    expect(screen.getByText(STORE.why)).toBeTruthy();
    const tabs = screen.getAllByRole('tab');
    expect(tabs).toHaveLength(6);
    expect(tabs.filter(t => t.tabIndex === 0)).toHaveLength(1);
    fireEvent.keyDown(tabs[0]!, { key: 'ArrowLeft' });
    expect(model.view).toBe('schedules' satisfies View);
    fireEvent.keyDown(tabs[5]!, { key: 'Home' });
    expect(model.view).toBe('notebook');
    expect(screen.getByRole('tabpanel').getAttribute('aria-labelledby')).toBe('nbops-tab-notebook');
    model.dispose();
    feed.dispose();
  });
});

describe('this notebook', () => {
  it('says how to begin where nothing is recorded', async () => {
    const model = new NotebookModel(new FakeServer({ notebook: { cells: [] } }).api.at('a.ipynb'));
    model.setShown(true);
    await draw(<NotebookView model={model} />);
    expect(screen.getByText('%nbops auto on')).toBeTruthy();
  });

  it('shows each cell with its badges and why, and leads to it', async () => {
    const cells = [
      cell({ badges: ['stale'], badge_why: { stale: 'table was changed by cell 2 after this ran' } }),
      cell({
        cell_id: 'c2',
        index: null,
        seq: 1,
        status: 'error',
        error: 'ValueError: no',
        badges: ['failed', 'deleted'],
        badge_why: { failed: 'ValueError: no' },
        metrics: [{ name: 'mae', value: 1, step: null, model: 'a1:m', data: 'f1:t' }],
        models: [{ name: 'model', type: 'Ridge', digest: 'a1:m' }],
        reads: [{ name: 'y_test', fingerprint: { kind: 't', digest: 'f1:t', shape: [], reason: null } }]
      })
    ];
    const shown: string[] = [];
    const model = new NotebookModel(new FakeServer({ notebook: { cells } }).api.at('a.ipynb'));
    model.setShown(true);
    await draw(<NotebookView model={model} />, { showCell: id => shown.push(id) });
    expect(screen.getByText('table was changed by cell 2 after this ran')).toBeTruthy();
    expect(screen.getByText('2 tracked cells · 2 cells to look at')).toBeTruthy();
    expect(screen.getByText('mae 1 of model on y_test')).toBeTruthy();
    expect(screen.getAllByText('ValueError: no').length).toBe(1);
    fireEvent.click(screen.getByTitle('Scroll to this cell'));
    expect(shown).toEqual(['c1']);
    expect(
      (screen.getByTitle('This cell is not in the notebook any more') as HTMLButtonElement).disabled
    ).toBe(true);
  });

  it('shows hostile text as text, isolated in its direction', async () => {
    const bad = cell({
      source_name: HOSTILE,
      error: HOSTILE,
      params: { [HOSTILE]: HOSTILE },
      metrics: [{ name: HOSTILE, value: 'f:nan', step: null }],
      models: [{ name: HOSTILE, type: HOSTILE }],
      reads: [
        { name: 'x'.repeat(1e6), fingerprint: { kind: 't', digest: null, shape: [], reason: HOSTILE } }
      ],
      files: [{ path: HOSTILE, mode: 'read' }],
      notes: [HOSTILE],
      badges: ['edited'],
      badge_why: { edited: HOSTILE }
    });
    const model = new NotebookModel(new FakeServer({ notebook: { cells: [bad] } }).api.at('a.ipynb'));
    model.setShown(true);
    await draw(<NotebookView model={model} />);
    expect(document.querySelector('img, script')).toBeNull();
    expect(document.body.textContent!.length).toBeLessThan(5000);
    const leaves = [...document.querySelectorAll('*')].filter(
      n => n.children.length === 0 && n.textContent!.includes('\u202E')
    );
    expect(leaves.length).toBe(8);
    expect(leaves.filter(leaf => leaf.closest('bdi') === null)).toEqual([]);
  });
});

describe('runs', () => {
  const answer = (total: number) => (url: URL) => {
    const offset = Number(url.searchParams.get('offset'));
    return {
      items: Array.from({ length: Math.min(50, total) }, (_, i) => row(offset + i)),
      total,
      limit: 50,
      offset
    };
  };

  it('draws some dozens of 100,000 rows, and says how many there are', async () => {
    const model = new RunsModel(new FakeServer({ runs: answer(100_000) }).api);
    model.setShown(true);
    await draw(<RunsView model={model} />);
    const grid = screen.getByRole('grid');
    expect(grid.getAttribute('aria-rowcount')).toBe('100001');
    expect(within(grid).getAllByRole('row').length).toBeLessThan(60);
    expect(screen.getByText('100,000 runs')).toBeTruthy();
  });

  it('has the metrics before the times, which a narrow panel does not show', async () => {
    const model = new RunsModel(new FakeServer({ runs: answer(3) }).api);
    model.setShown(true);
    await draw(<RunsView model={model} />);
    const heads = screen.getAllByRole('columnheader').map(head => head.textContent!.trim());
    expect(heads.filter(Boolean)).toEqual(['name', 'status', 'mae', 'started ▾', 'took']);
  });

  it('shows a curve of many steps by its last value, and every other metric', async () => {
    const loss = Array.from({ length: 300 }, (_, i) => ({ name: 'loss', value: 300 - i, step: i }));
    const metrics = [...loss, { name: 'mae', value: 7, step: null }, { name: 'mae', value: 8, step: null }];
    const detail = { run: row(0).run, params: {}, metrics, artifacts: [], children: [] };
    const model = new RunsModel(new FakeServer({ runs: answer(1), 'runs/run-000000000000': detail }).api);
    model.setShown(true);
    await model.open('run-000000000000');
    await draw(<RunsView model={model} />);
    const shown = within(screen.getByRole('region', { name: 'Metrics' }));
    expect(shown.getAllByRole('term').map(t => t.textContent)).toEqual([
      'loss (step 299, last of 300)',
      'mae',
      'mae'
    ]);
    expect(shown.getAllByRole('definition').map(d => d.textContent)).toEqual(['1', '7', '8']);
  });

  it('is worked by keyboard: down, space, down, space, compare', async () => {
    const server = new FakeServer({
      runs: answer(3),
      compare: {
        runs: [row(0), row(1)],
        params: { alpha: [0, 0.1], seed: [1, 1] },
        metrics: { mae: [50, 49] },
        differing: { params: ['alpha'], metrics: ['mae'] },
        diff: {
          changes: [{ what: 'code', name: 'c1', a: null, b: null, why: '', detail: '-a = 1\n+a = 2' }],
          notes: []
        }
      },
      'runs/run-000000000000/metrics': {
        loss: [
          [0, 1],
          [1, 0.5]
        ]
      },
      'runs/run-000000000001/metrics': {
        loss: [
          [0, 1],
          [1, 0.4]
        ]
      }
    });
    const model = new RunsModel(server.api);
    model.setShown(true);
    await draw(<RunsView model={model} />);
    const scroll = document.querySelector('.nbops-Grid-scroll')!;
    fireEvent.keyDown(scroll, { key: ' ' });
    fireEvent.keyDown(scroll, { key: 'ArrowDown' });
    fireEvent.keyDown(scroll, { key: ' ' });
    expect([...model.selected]).toEqual(['run-000000000000', 'run-000000000001']);
    fireEvent.click(screen.getByText('Compare'));
    await act(settled);
    const table = screen.getAllByRole('table')[0]!;
    expect(within(table).queryByText('seed')).toBeNull(); // the same in both
    expect(within(table).getByText('alpha')).toBeTruthy();
    fireEvent.click(screen.getByLabelText('only what differs'));
    expect(within(screen.getAllByRole('table')[0]!).getByText('seed')).toBeTruthy();
    for (const title of ['Curves', 'Scatter', 'Parallel coordinates', 'Data, code, environment']) {
      expect(screen.getByText(title)).toBeTruthy();
    }
    expect(document.querySelector('.nbops-Diff [data-kind="added"]')!.textContent).toBe('+a = 2\n');
  });
});

describe('models', () => {
  const server = () =>
    new FakeServer({
      models: [{ name: 'bikes', versions: [], aliases: { production: 2 } }],
      approvals: [],
      'models/bikes': {
        name: 'bikes',
        versions: [{}, {}].map((_, i) => version(i + 1)),
        aliases: { production: 2 },
        history: [promotion()],
        deployments: ['bikes', 'bikes-frozen'],
        pinned: { 'bikes-frozen': 1 }
      },
      'POST promotions/check': { results: promotion().results, would: 'promoted', candidate: {} },
      'POST promotions': promotion(),
      'POST rollbacks': promotion({ action: 'rolled back', from_version: 2, to_version: 1 })
    });
  const version = (number: number) => ({
    name: 'bikes',
    number,
    run: 'run-1',
    type: 'sklearn.linear_model.Ridge',
    format: 'skops',
    metrics: { mae: 52 },
    created_at: '2026-03-05T09:00:00Z',
    created_by: 'me'
  });

  it('promotes only after the gates have been asked and the person has confirmed', async () => {
    const fake = server();
    const model = new ModelsModel(fake.api);
    model.setShown(true);
    model.beginPromotion({ source: 'a.ipynb', name: 'bikes' });
    await draw(<ModelsView model={model} can={CAN} deployments={['bikes']} />);
    expect(screen.queryByText('Promote it')).toBeNull();
    fireEvent.click(screen.getByText('Ask the gates'));
    await act(settled);
    expect(screen.getByText('mae at most 60')).toBeTruthy();
    expect(fake.asked).not.toContain('POST promotions');
    fireEvent.click(screen.getByText('Promote it'));
    await act(settled);
    expect(fake.asked).toContain('POST promotions');
    expect(screen.getByRole('status').textContent).toContain('version 2 is production now');
  });

  it('rolls back after a question, and not without', async () => {
    for (const sure of [false, true]) {
      const fake = server();
      const model = new ModelsModel(fake.api);
      model.setShown(true);
      await model.open('bikes');
      await draw(<ModelsView model={model} can={CAN} deployments={[]} />, { confirm: async () => sure });
      expect(screen.getByText(/bikes-frozen/).parentElement!.textContent).toContain('pinned to version 1');
      fireEvent.click(screen.getByText('Roll back …')); // of the other one alone
      await act(settled);
      expect(fake.asked.includes('POST rollbacks')).toBe(sure);
      cleanup();
    }
  });

  it('offers nothing that the person may not do', async () => {
    const model = new ModelsModel(server().api);
    model.setShown(true);
    await model.open('bikes');
    await draw(
      <ModelsView model={model} can={{ ...CAN, rollback: false, promote: false }} deployments={[]} />
    );
    expect((screen.getByText('Roll back …') as HTMLButtonElement).disabled).toBe(true);
  });
});

describe('pipelines', () => {
  const parameters: IParameter[] = [
    { name: 'month', type: 'str', default: null, help: 'which month', required: true },
    { name: 'alpha', type: 'float', default: 0.5, help: null, min: 0, max: 1, required: false },
    { name: 'deep', type: 'bool', default: false, help: null, required: false },
    { name: 'kind', type: 'str', default: 'a', help: null, choices: ['a', 'b'], required: false }
  ];
  const pipeline = {
    name: 'train',
    steps: ['prepare', 'fit'].map(name => ({
      name,
      notebook: `${name}.ipynb`,
      contents_path: null,
      needs: [],
      inputs: [],
      outputs: []
    })),
    order: ['prepare', 'fit'],
    edges: [['prepare', 'fit', 'needs']],
    last_run: run({ id: 'p1', kind: 'pipeline', status: 'FAILED', error: 'ValueError: no' }),
    parameters
  };

  it('is run with typed values, of which the missing and the wrong are said at their field', async () => {
    const sent: unknown[] = [];
    const fake = new FakeServer({
      pipelines: [pipeline],
      'pipelines/train': { ...pipeline, last_run: null },
      'pipelines/train/plan': { steps: [{ name: 'prepare', state: 'cached', why: 'nothing has changed' }] },
      'POST pipelines/train/runs': (_: URL, body: unknown) => (sent.push(body), { run: 'p2' }),
      'pipelines/runs/p2': {
        run: run({ id: 'p2', status: 'IN_PROGRESS', ended_at: null }),
        steps: [
          {
            run: run({ name: 'prepare' }),
            state: 'CACHED',
            why: 'nothing has changed',
            progress: null,
            executed: null
          },
          {
            run: run({ id: 's2', name: 'fit' }),
            state: 'IN_PROGRESS',
            why: '',
            progress: { cell: 2, cells: 5 },
            executed: null
          }
        ]
      }
    });
    const model = new PipelinesModel(fake.api);
    model.setShown(true);
    await model.open('train');
    await draw(<PipelinesView model={model} can={CAN} />);
    expect(screen.getByRole('button', { name: 'up to date prepare, nothing has changed' })).toBeTruthy();
    fireEvent.change(screen.getByRole('textbox', { name: /alpha/ }), { target: { value: '7' } });
    fireEvent.click(screen.getByText('Run'));
    expect(screen.getByText('A value is needed: it has no default.')).toBeTruthy();
    expect(screen.getByText('It must be at most 1.')).toBeTruthy();
    expect(sent).toEqual([]);
    fireEvent.change(screen.getByRole('textbox', { name: /alpha/ }), { target: { value: '0.25' } });
    fireEvent.change(screen.getByRole('textbox', { name: /month/ }), { target: { value: '2011-07' } });
    fireEvent.click(screen.getByRole('checkbox', { name: /deep/ }));
    fireEvent.click(screen.getByText('Run'));
    await act(settled);
    expect(sent).toEqual([{ params: { month: '2011-07', alpha: 0.25, deep: true }, force: false }]);
    expect(screen.getByText('cell 2 of 5')).toBeTruthy();
    expect(screen.getByText('Stop …')).toBeTruthy();
  });

  it('resumes a run that failed', async () => {
    const failed = { run: pipeline.last_run, steps: [] };
    const fake = new FakeServer({
      pipelines: [pipeline],
      'pipelines/train': pipeline,
      'pipelines/runs/p1': failed,
      'pipelines/runs/p3': failed,
      'POST pipelines/runs/p1/resume': { run: 'p3' }
    });
    const model = new PipelinesModel(fake.api);
    model.setShown(true);
    await model.open('train');
    await draw(<PipelinesView model={model} can={CAN} />);
    fireEvent.click(screen.getByText('Resume'));
    await act(settled);
    expect(fake.asked).toContain('POST pipelines/runs/p1/resume');
    expect(fake.asked).toContain('GET pipelines/runs/p3');
  });

  it('asks before a resume repeats effects outside the notebooks', async () => {
    const failed = { run: pipeline.last_run, steps: [] };
    const sent: unknown[] = [];
    const message =
      'run p1 is not resumed: cell 2 adds to a file; --repeat-effects says that they may be repeated';
    const fake = new FakeServer({
      pipelines: [pipeline],
      'pipelines/train': pipeline,
      'pipelines/runs/p1': failed,
      'pipelines/runs/p3': failed,
      'POST pipelines/runs/p1/resume': (_: URL, body: { repeat_effects?: boolean }) => {
        sent.push(body);
        return body.repeat_effects
          ? { run: 'p3' }
          : new Refusal(409, { message, error: 'RefusedError', detail: {} });
      }
    });
    const model = new PipelinesModel(fake.api);
    model.setShown(true);
    await model.open('train');
    let said = '';
    let sure = false;
    const confirm = async (_: string, text: string) => {
      said = text;
      return sure;
    };
    await draw(<PipelinesView model={model} can={CAN} />, { confirm });
    fireEvent.click(screen.getByText('Resume'));
    await act(settled);
    expect(said).toBe(message);
    expect(sent).toEqual([{}]);
    sure = true;
    fireEvent.click(screen.getByText('Resume'));
    await act(settled);
    expect(sent).toEqual([{}, {}, { repeat_effects: true }]);
    expect(fake.asked).toContain('GET pipelines/runs/p3');
  });
});

describe('monitoring', () => {
  it('shows the gap where labels are late, drift by column, and the distributions on a click', async () => {
    const deployment = { name: 'bikes', model: 'bikes', alias: 'production', version: null };
    const fake = new FakeServer({
      deployments: [{ deployment, serving: 2, scored: 2, last: null, alerts: 1, severity: 'alert' }],
      'deployments/bikes/dashboard': {
        deployment,
        serving: 2,
        performance: [
          { period: '2011-01', version: 1, rows: 10, scored: 10, metrics: { mae: 52.5 }, at: '' }
        ],
        waiting: ['2011-02'],
        scorings: [
          { run: 'r', version: 2, period: '2011-02', rows: 90, rejected: 10, scored_at: '', seconds: 0.5 }
        ],
        drift: [
          {
            period: '2011-02',
            severity: 'alert',
            columns: { temp: { psi: 0.31, severity: 'alert' }, hum: { psi: 'f:nan', severity: 'unknown' } }
          }
        ],
        alerts: [
          {
            id: 'a',
            deployment: 'bikes',
            kind: 'drift',
            severity: 'alert',
            period: '2011-02',
            message: 'temp has moved',
            at: '2011-03-01T00:00:00Z'
          }
        ],
        decisions: [
          {
            decision: {
              id: 'd',
              deployment: 'bikes',
              trigger: 'drift',
              cause: '2011-02 v2',
              action: 'retrain',
              why: 'temp has moved',
              at: '2011-03-01T00:00:00Z'
            },
            job: null
          }
        ]
      },
      'deployments/bikes/drift/2011-02/temp': {
        column: 'temp',
        bins: [0, 10, 20],
        reference: [0.5, 0.5],
        current: [0.25, 0.75],
        values: { psi: 0.31 },
        why: 'warmer by 4 degrees'
      }
    });
    const model = new MonitoringModel(fake.api);
    model.setShown(true);
    await draw(<MonitoringView model={model} can={CAN} />);
    expect(screen.getByRole('note').textContent).toContain('2011-02');
    expect(screen.getByText('10 (10.0 %)')).toBeTruthy();
    fireEvent.click(screen.getByRole('button', { name: 'temp in 2011-02: PSI 0.31, alert' }));
    await act(settled);
    expect(screen.getByText('warmer by 4 degrees')).toBeTruthy();
    expect(screen.getByText('10 – 20')).toBeTruthy();
    expect(screen.getByText('75.0 %')).toBeTruthy();
  });
});

describe('schedules', () => {
  it('makes one for a notebook, and shows why it cannot', async () => {
    const sent: unknown[] = [];
    const fake = new FakeServer({
      schedules: { items: [], worker: null },
      decisions: [],
      'POST schedules': (_: URL, body: unknown) => {
        sent.push(body);
        return sent.length === 1
          ? new Refusal(400, { message: "'x' is no cron line", error: 'UsageError' })
          : {};
      }
    });
    const model = new SchedulesModel(fake.api);
    model.setWish('a dir/my "best".ipynb');
    model.setShown(true);
    await draw(<SchedulesView model={model} can={CAN} />);
    fireEvent.change(screen.getByRole('textbox', { name: /Times/ }), { target: { value: 'x' } });
    fireEvent.click(screen.getByText('Schedule it'));
    await act(settled);
    expect(screen.getByRole('alert').textContent).toContain('is no cron line');
    fireEvent.change(screen.getByRole('textbox', { name: /Times/ }), { target: { value: '0 6 * * 1' } });
    fireEvent.click(screen.getByText('Schedule it'));
    await act(settled);
    expect(sent[1]).toEqual({ name: 'my-best-', cron: '0 6 * * 1', notebook: 'a dir/my "best".ipynb' });
    expect(model.wish).toBeNull();
  });

  it('steers those of the store, not those of nbops.toml', async () => {
    const schedule = {
      name: 'nightly',
      kind: 'cron',
      expression: '0 6 * * *',
      target: 'notebook a.ipynb',
      deployment: null,
      pipeline: null,
      notebook: 'a.ipynb',
      next: '2026-03-05T06:00:00Z',
      paused: false,
      last: null,
      last_why: ''
    };
    const fake = new FakeServer({
      schedules: { items: [schedule, { ...schedule, name: 'bikes', kind: 'trigger' }], worker: null },
      decisions: [],
      'POST schedules/nightly/pause': {}
    });
    const model = new SchedulesModel(fake.api);
    model.setShown(true);
    await draw(<SchedulesView model={model} can={CAN} />);
    expect(screen.getAllByText('Pause')).toHaveLength(1);
    fireEvent.click(screen.getByText('Pause'));
    await act(settled);
    expect(fake.asked).toContain('POST schedules/nightly/pause');
  });
});

describe('gates in words', () => {
  it('do not take what nobody asked for as failed', () => {
    const passed: IGateResult = { gate: 'bounds', outcome: 'passed', asked: '', seen: '', why: '' };
    const unasked: IGateResult = { ...passed, outcome: 'not checked' };
    expect(gatesInWords([passed])).toBe('1 gate passed');
    expect(gatesInWords([passed, unasked, passed])).toBe('2 gates passed, 1 not checked');
    expect(gatesInWords([{ ...passed, outcome: 'failed' }])).toBe('0 gates passed, 1 failed');
  });
});
