/** The shapes of the wire: the frozen dataclasses of `nbops.core` as the server writes them, and what routes add. */

export type * from './store';
export type * from './runs';
export type * from './notebook';
export type * from './models';
export type * from './pipelines';
export type * from './operations';
