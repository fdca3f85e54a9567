// How long to wait before trying again: longer each time, with jitter, so that a class does not return as one burst.

export class Backoff {
  /**
   * @param {number} firstMs
   * @param {number} mostMs
   */
  constructor(firstMs, mostMs) {
    this.firstMs = firstMs;
    this.mostMs = mostMs;
    /** @private */
    this.tries = 0;
    /** @private @type {(() => void) | null} */
    this.wake = null;
  }

  /** Wait for the next try: half of the time is certain, half by chance. @param {number} [leastMs] */
  async wait(leastMs) {
    const mostMs = Math.min(this.mostMs, this.firstMs * Math.pow(2, this.tries));
    this.tries += 1;
    const waitMs = Math.max(leastMs || 0, mostMs / 2 + Math.random() * (mostMs / 2));
    await /** @type {Promise<void>} */ (
      new Promise((resolve) => {
        const timer = setTimeout(resolve, waitMs);
        this.wake = () => {
          clearTimeout(timer);
          resolve();
        };
      })
    );
    this.wake = null;
  }

  /** It worked: the next failure starts again from the shortest wait. */
  reset() {
    this.tries = 0;
  }

  /** Try now: something has changed for the better. */
  hurry() {
    this.tries = 0;
    if (this.wake) this.wake();
  }
}
