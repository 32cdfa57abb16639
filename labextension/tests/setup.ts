/** What a browser has and jsdom has not, as far as JupyterLab's packages ask for it when they are imported. */

const missing = globalThis as unknown as { [name: string]: unknown };
missing.DragEvent ??= class extends Event {};
missing.ClipboardEvent ??= class extends Event {};
missing.ResizeObserver ??= class {
  observe(): void {}
  unobserve(): void {}
  disconnect(): void {}
};
window.matchMedia ??= (query: string) =>
  ({
    matches: false,
    media: query,
    addEventListener: () => undefined,
    removeEventListener: () => undefined
  }) as never;
