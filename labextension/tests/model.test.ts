/** The models without a DOM: order of answers, what is loaded when, what goes wrong. */

import { describe, expect, it } from 'vitest';
import { Feed, STORE_EVENTS } from '../src/model/feed';
import { ModelsModel } from '../src/model/modelsModel';
import { NotebookModel } from '../src/model/notebookModel';
import { PanelModel } from '../src/model/panelModel';
import { PAGE, RunsModel } from '../src/model/runsModel';
import { Signal, Stream } from '@lumino/signaling';
import type { Event } from '@jupyterlab/services';
import { FakeServer, Refusal, settled } from './fakeServer';
import { cell, promotion, row, STORE } from './samples';

function pageOf(total: number) {
  return (url: URL) => {
    const [limit, offset] = [
      Number(url.searchParams.get('limit')),
      Number(url.searchParams.get('offset') ?? 0)
    ];
    const n = Math.max(0, Math.min(limit, total - offset));
    return { items: Array.from({ length: n }, (_, i) => row(offset + i)), total, limit, offset };
  };
}

describe('a view', () => {
  it('loads when it is shown, not before, and again for a change that concerns it', async () => {
    const server = new FakeServer({
      notebook: { notebook: 'a', contents_path: 'a', cells: [cell()], session: null }
    });
    const model = new NotebookModel(server.api.at('a.ipynb'));
    model.touch();
    await settled();
    expect(server.asked).toEqual([]);
    model.setShown(true);
    await settled();
    expect(server.asked).toEqual(['GET notebook?path=a.ipynb']);
    expect(model.notebook!.cells).toHaveLength(1);
    model.touch();
    await settled();
    expect(server.asked).toHaveLength(2);
  });

  it('asks once more after a load that a change came into, however many there were', async () => {
    let n = 0;
    const server = new FakeServer({ notebook: () => ({ cells: Array(++n).fill(cell()) }) });
    const model = new NotebookModel(server.api.at('a.ipynb'));
    server.hold = true;
    model.setShown(true);
    model.touch();
    model.touch();
    await settled();
    server.release();
    await settled();
    expect(server.asked).toHaveLength(2);
    expect(model.notebook!.cells).toHaveLength(2);
  });

  it('drops an answer that belongs to the notebook shown before', async () => {
    const server = new FakeServer({
      notebook: (url: URL) => ({ notebook: url.searchParams.get('path'), cells: [] })
    });
    const model = new NotebookModel(server.api.at('old.ipynb'));
    server.hold = true;
    model.setShown(true);
    await settled();
    model.setApi(server.api.at('new.ipynb'));
    server.release();
    await settled();
    expect(model.notebook!.notebook).toBe('new.ipynb');
  });

  it('keeps what it showed, and the sentence, when a load fails; and forgets the sentence when one works', async () => {
    const server = new FakeServer({ notebook: { cells: [cell()] } });
    const model = new NotebookModel(server.api.at('a.ipynb'));
    model.setShown(true);
    await settled();
    server.routes.notebook = new Refusal(503, { message: 'the store is locked', error: 'StoreLockedError' });
    await model.refresh();
    expect(model.error!.message).toBe('the store is locked');
    expect(model.notebook!.cells).toHaveLength(1);
    server.routes.notebook = { cells: [] };
    await model.refresh();
    expect(model.error).toBeNull();
  });
});

describe('the feed', () => {
  function fed(server: FakeServer) {
    const stream = new Stream<object, Event.Emission>({});
    const feed = new Feed(server.api, stream, 1000, 'never');
    const seen: (number[] | null)[] = [];
    feed.changed.connect((_, events) => seen.push(events && events.map(e => e.seq)));
    return { stream, feed, seen };
  }

  it('begins with everything, then tells what came after, each event once', async () => {
    let newest = 5;
    const event = (seq: number) => ({ seq, at: '', noun: 'run', name: 'r', what: 'COMPLETED' });
    const server = new FakeServer({
      events: (url: URL) => {
        const after = url.searchParams.get('after');
        const events = after === null ? undefined : [];
        for (let seq = Number(after) + 1; after !== null && seq <= newest; seq++) {
          events!.push(event(seq) as never);
        }
        return { events, seq: newest };
      }
    });
    const { stream, feed, seen } = fed(server);
    await settled();
    expect(seen).toEqual([null]);
    newest = 7;
    stream.emit({ schema_id: 'https://else', seq: 7 } as never);
    await settled();
    expect(seen).toEqual([null]);
    stream.emit({ schema_id: STORE_EVENTS, seq: 7 } as never);
    await settled();
    feed.nudge();
    await settled();
    expect(seen).toEqual([null, [6, 7]]);
    newest = 2; // another store stands in the old one's place
    feed.nudge();
    await settled();
    expect(seen).toEqual([null, [6, 7], null]);
    feed.dispose();
    expect(feed.isDisposed).toBe(true);
  });

  it('says when the server is gone and when it is back', async () => {
    const server = new FakeServer({});
    const { feed } = fed(server);
    const said: (string | null)[] = [];
    feed.failed.connect((_, error) => said.push(error && error.message));
    await settled();
    server.routes.events = { seq: 1 };
    feed.nudge();
    await settled();
    expect(said).toEqual(['no events', null]);
    feed.dispose();
  });
});

describe('the panel', () => {
  it('touches only the views that an event concerns, and only the shown one loads', async () => {
    let seq = 1;
    const server = new FakeServer({
      store: STORE,
      runs: pageOf(3),
      models: [],
      approvals: [],
      events: (url: URL) =>
        url.searchParams.has('after')
          ? { events: [{ seq: ++seq, at: '', noun: 'model', name: 'm', what: 'promoted' }], seq }
          : { seq }
    });
    const feed = new Feed(server.api, null, 1000, 'never');
    const model = new PanelModel(server.api, feed);
    model.setVisible(true);
    model.show('models');
    await settled();
    expect(model.store!.why).toContain('nbops.toml');
    server.asked.length = 0;
    feed.nudge();
    await settled();
    expect(server.asked).toContain('GET models');
    expect(server.asked.some(a => a.startsWith('GET notebook'))).toBe(false);
    expect(server.asked.some(a => a.startsWith('GET runs'))).toBe(false);
    model.dispose();
    feed.dispose();
    Signal.clearData(model);
  });

  it('asks for another notebook once, however often it comes to the front', async () => {
    const server = new FakeServer({
      store: STORE,
      runs: pageOf(0),
      events: { seq: 1 },
      notebook: { cells: [] }
    });
    const feed = new Feed(server.api, null, 1000, 'never');
    const model = new PanelModel(server.api, feed);
    model.setVisible(true);
    await settled();
    server.asked.length = 0;
    model.setPath('b.ipynb');
    model.setPath('b.ipynb');
    await settled();
    expect(server.asked.filter(a => a.startsWith('GET store'))).toHaveLength(2); // the change, and the feed's first look
    expect(server.asked.every(a => a.includes('path=b.ipynb'))).toBe(true);
    model.dispose();
    feed.dispose();
  });
});

describe('runs', () => {
  it('loads the pages that are looked at, and no other of 100,000', async () => {
    const server = new FakeServer({ runs: pageOf(100_000) });
    const model = new RunsModel(server.api);
    model.setShown(true);
    await settled();
    expect(model.total).toBe(100_000);
    expect(model.row(0)!.run.name).toBe('run 0');
    expect(model.row(PAGE)).toBeNull();
    model.need(50_000, 50_020);
    model.need(50_001, 50_021);
    await settled();
    expect(server.asked).toHaveLength(2);
    expect(model.row(50_010)!.run.name).toBe('run 50010');
  });

  it('lets the server sort and filter, turning the order round at the second click', async () => {
    const server = new FakeServer({ runs: pageOf(3) });
    const model = new RunsModel(server.api);
    model.setShown(true);
    await model.setSort('metrics.mae');
    await model.setSort('metrics.mae');
    await model.setFilter('metrics.mae < 50');
    const last = new URLSearchParams(server.asked[server.asked.length - 1]!.split('?')[1]);
    expect(Object.fromEntries(last)).toMatchObject({
      filter: 'metrics.mae < 50',
      sort: 'metrics.mae',
      descending: 'false',
      offset: '0'
    });
  });

  it('keeps the rows and says where a filter cannot be read', async () => {
    const server = new FakeServer({ runs: pageOf(3) });
    const model = new RunsModel(server.api);
    model.setShown(true);
    await settled();
    server.routes.runs = new Refusal(400, {
      message: "position 9: expected a number, got '<'",
      error: 'UsageError'
    });
    await model.setFilter('metrics <');
    expect(model.filterError).toContain('position 9');
    expect(model.error).toBeNull();
    expect(model.row(0)).not.toBeNull();
  });
});

describe('a promotion', () => {
  const wish = { source: 'a.ipynb', name: 'bikes' };

  it('asks the gates before anything changes, then is confirmed', async () => {
    const server = new FakeServer({
      models: [],
      approvals: [],
      'POST promotions/check': { results: promotion().results, would: 'promoted', candidate: {} },
      'POST promotions': promotion()
    });
    const model = new ModelsModel(server.api);
    model.beginPromotion(wish);
    await model.checkGates();
    expect(model.promoting!.stage).toBe('checked');
    expect(server.asked).toEqual(['POST promotions/check']);
    await model.confirmPromotion();
    expect(model.promoting!.stage).toBe('promoted');
    expect(model.promoting!.done!.to_version).toBe(2);
  });

  it('shows the refusal that was recorded', async () => {
    const refused = promotion({
      action: 'refused',
      results: [
        { gate: 'bounds', outcome: 'failed', asked: 'mae at most 10', seen: 'mae 52', why: 'too high' }
      ]
    });
    const server = new FakeServer({
      'POST promotions': new Refusal(409, {
        message: 'refused',
        error: 'RefusedError',
        detail: { promotion: refused }
      })
    });
    const model = new ModelsModel(server.api);
    model.beginPromotion(wish);
    await model.confirmPromotion();
    expect(model.promoting!.stage).toBe('refused');
    expect(model.promoting!.done!.results[0]!.why).toBe('too high');
  });

  it('that was cancelled meanwhile stays cancelled', async () => {
    const server = new FakeServer({
      'POST promotions/check': { results: [], would: 'promoted', candidate: {} }
    });
    const model = new ModelsModel(server.api);
    model.beginPromotion(wish);
    server.hold = true;
    const asked = model.checkGates();
    model.cancelPromotion();
    server.release();
    await asked;
    expect(model.promoting).toBeNull();
  });
});
