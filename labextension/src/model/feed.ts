/**
 * The store's events in their order, as a signal of what has changed.
 *
 * Three things make it look: the server's event stream (any process's writes, within a second), a tracked cell's output
 * in an open notebook (at once), and a slow poll with backoff in case the stream is down. It stands by when the page is
 * hidden. The sequence numbers make the three one: whatever wakes it, it asks for what came after the last event seen.
 */

import type { Event } from '@jupyterlab/services';
import { Poll } from '@lumino/polling';
import { Signal, type ISignal, type IStream } from '@lumino/signaling';
import type { IDisposable } from '@lumino/disposable';
import type { Api } from '../api';
import type { IEvent } from '../nouns';
import { asApiError } from './viewModel';
import type { ApiError } from '../api';

export const STORE_EVENTS = 'https://nbops.dev/events/store';
const BATCH = 500; // the server gives at most 1,000 at once

export class Feed implements IDisposable {
  private seq: number | null = null;
  private readonly poll: Poll;
  private readonly _changed = new Signal<this, IEvent[] | null>(this);
  private readonly _failed = new Signal<this, ApiError | null>(this);

  constructor(
    private api: Api,
    private readonly stream: IStream<unknown, Event.Emission> | null,
    seconds: number,
    standby: Poll.Standby | (() => boolean | Poll.Standby) = 'when-hidden'
  ) {
    this.poll = new Poll({
      name: 'nbops:events',
      factory: () => this.look(),
      frequency: { interval: seconds * 1000, backoff: true, max: Math.max(60_000, seconds * 4000) },
      standby
    });
    stream?.connect(this.onEmission, this);
  }

  /** What has happened since the last time; null when that isn't known and everything may have changed. */
  get changed(): ISignal<this, IEvent[] | null> {
    return this._changed;
  }

  /** The server didn't answer; null: it does again. */
  get failed(): ISignal<this, ApiError | null> {
    return this._failed;
  }

  get isDisposed(): boolean {
    return this.poll.isDisposed;
  }

  /** Look now. */
  nudge(): void {
    if (!this.isDisposed) {
      void this.poll.refresh();
    }
  }

  setSeconds(seconds: number): void {
    this.poll.frequency = { interval: seconds * 1000, backoff: true, max: Math.max(60_000, seconds * 4000) };
  }

  setApi(api: Api): void {
    this.api = api;
    this.seq = null;
    this.nudge();
  }

  dispose(): void {
    this.stream?.disconnect(this.onEmission, this);
    this.poll.dispose();
    Signal.clearData(this);
  }

  private onEmission(_: unknown, emission: Event.Emission): void {
    if (emission.schema_id === STORE_EVENTS) {
      this.nudge();
    }
  }

  private async look(): Promise<void> {
    const api = this.api;
    const after = this.seq;
    try {
      const found = after === null ? await api.newest() : await api.events(after);
      if (api !== this.api) {
        return;
      }
      this._failed.emit(null);
      const events = found.events ?? [];
      if (after === null || found.seq < after) {
        // The first look, or another store in the old one's place.
        this.seq = found.seq;
        this._changed.emit(null);
      } else if (events.length > 0) {
        this.seq = events[events.length - 1]!.seq;
        this._changed.emit(events.length >= BATCH ? null : events);
        if (events.length >= BATCH) {
          // There may be more than one answer carries.
          this.nudge();
        }
      }
    } catch (error) {
      if (api === this.api) {
        this._failed.emit(asApiError(error));
        throw error;
      }
    }
  }
}
