// Whether the centre can be reached; looked at only while something else is lost.

import { ApiError, request } from './api.js';

/** A look without an answer by then has found nobody. */
const ANSWER_MS = 1500;
const WHILE_GONE_MS = 1000;
const WHILE_THERE_MS = 5000;

/**
 * Looks for the centre from `start` to `stop`, and calls back when it answers after it did not. Requests that began in
 * between hang in TCP for seconds after the line is back; a new one does not.
 */
export class Reach {
  /** @param {() => void} onBack */
  constructor(onBack) {
    this.onBack = onBack;
    /** The present watch; another object for each. @private @type {object | null} */
    this.watch = null;
  }

  start() {
    if (!this.watch) this.look((this.watch = {}));
  }

  stop() {
    this.watch = null;
  }

  /** @private @param {object} watch */
  async look(watch) {
    let wasThere = true;
    while (this.watch === watch) {
      const isThere = await answers();
      if (this.watch !== watch) return;
      if (isThere && !wasThere) this.onBack();
      wasThere = isThere;
      await new Promise((resolve) => setTimeout(resolve, isThere ? WHILE_THERE_MS : WHILE_GONE_MS));
    }
  }
}

/** Any answer will do, also a refusal. */
function answers() {
  return request('/healthz', { timeoutMs: ANSWER_MS }).then(
    () => true,
    (error) => error instanceof ApiError && error.status > 0,
  );
}
