/** How long to wait before the next attempt. */

/**
 * Milliseconds to wait: doubling from `firstMs` up to `longestMs`, each somewhere in its upper half, so that clients
 * that lost the same server do not come back at the same moment.
 */
export function* delays(firstMs, longestMs) {
  for (let ceiling = firstMs; ; ceiling = Math.min(ceiling * 2, longestMs)) {
    yield ceiling * (0.5 + Math.random() / 2);
  }
}

/** Resolves after `ms` milliseconds, or as soon as `wake()` is called on what it returns. */
export class Pause {
  #end;

  constructor(ms) {
    this.over = new Promise((resolve) => {
      const timer = setTimeout(resolve, ms);
      this.#end = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  wake() {
    this.#end();
  }
}
