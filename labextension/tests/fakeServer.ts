/** A server that answers from a table of routes, and remembers what it was asked. Only the network is faked. */

import { ServerConnection } from '@jupyterlab/services';
import { Api } from '../src/api';

type Answer = unknown | ((url: URL, body: Record<string, unknown>) => unknown);

export class Refusal {
  constructor(
    readonly status: number,
    readonly body: object
  ) {}
}

export class FakeServer {
  readonly asked: string[] = [];
  /** Answers wait until `release` is called. */
  hold = false;
  private waiting: (() => void)[] = [];

  constructor(readonly routes: { [route: string]: Answer }) {}

  readonly api = new Api(
    ServerConnection.makeSettings({
      baseUrl: 'http://fake/',
      fetch: async (input: RequestInfo | URL, init?: RequestInit) => {
        const request = input instanceof Request ? input : new Request(input, init);
        const url = new URL(request.url);
        const route = url.pathname.replace('/nbops/api/', '');
        // Lab adds the time, so that no cache answers.
        const query = url.search.replace(/[?&]\d+$/, '');
        this.asked.push(`${request.method} ${route}${query}`);
        if (this.hold) {
          await new Promise<void>(resolve => this.waiting.push(resolve));
        }
        const text = request.method === 'POST' ? await request.text() : '';
        const known = this.routes[`${request.method} ${route}`] ?? this.routes[route];
        if (known === undefined) {
          return new Response(JSON.stringify({ message: `no ${route}`, error: 'UnknownNameError' }), {
            status: 404
          });
        }
        const answer = typeof known === 'function' ? known(url, text ? JSON.parse(text) : {}) : known;
        if (answer instanceof Refusal) {
          return new Response(JSON.stringify(answer.body), { status: answer.status });
        }
        return new Response(JSON.stringify(answer), { status: 200 });
      }
    })
  );

  release(): void {
    this.hold = false;
    this.waiting.splice(0).forEach(go => go());
  }
}

/** Let everything that is ready happen. */
export async function settled(): Promise<void> {
  for (let i = 0; i < 20; i++) {
    await new Promise(resolve => setTimeout(resolve, 0));
  }
}
