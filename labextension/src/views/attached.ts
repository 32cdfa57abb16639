/** A Lumino widget within a node that React owns. */

import { Widget } from '@lumino/widgets';

/** Put it there; what comes back takes it away, also when React has taken the node out of the page before. */
export function attached(widget: Widget, node: HTMLElement): () => void {
  Widget.attach(widget, node);
  return () => {
    if (!widget.node.isConnected) {
      // Lumino refuses to detach what isn't in the page.
      document.body.append(widget.node);
    }
    widget.dispose();
  };
}
