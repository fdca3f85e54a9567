// Server-sent events over fetch: as EventSource, with an Authorization header and a reason when it stops.

import { ApiError, request } from './api.js';
import { Backoff } from './backoff.js';

/** The server pings each 15 s; a line that says nothing for two pings is dead, whatever TCP believes. */
const SILENCE_MS = 35000;
/** Refusals that no retry heals. */
const FINAL_STATUS = [400, 401, 403, 404, 405, 410];

/**
 * One line of events that mends itself.
 *
 * Events: the server's own, by name, as CustomEvent with the parsed JSON as `detail`; and
 * `line-open`; `line-lost` {error: ApiError, sinceMs: wall clock}; `line-refused` {error: ApiError}, after which it is closed.
 */
export class EventLine extends EventTarget {
  /**
   * @param {string} path
   * @param {{token?: string | null}} [options]
   */
  constructor(path, options) {
    super();
    this.path = path;
    this.token = (options && options.token) || null;
    this.isOpen = false;
    /** Wall clock of the loss; null while open or not yet lost. @type {number | null} */
    this.lostAt = null;
    this.isClosed = true;
    this.lastId = '';
    this.backoff = new Backoff(300, 8000);
    /** @type {AbortController | null} */
    this.abort = null;
  }

  open() {
    if (!this.isClosed) return;
    this.isClosed = false;
    this.run();
  }

  close() {
    this.isClosed = true;
    this.isOpen = false;
    if (this.abort) this.abort.abort();
    this.hurry();
  }

  /** Try again now instead of waiting: the page is visible again, or the network is back. */
  hurry() {
    this.backoff.hurry();
  }

  /** @private */
  async run() {
    while (!this.isClosed) {
      /** @type {ApiError} */
      let reason;
      try {
        await this.read();
        reason = new ApiError('network', this.path + ' was closed by the other side');
      } catch (error) {
        reason = error instanceof ApiError ? error : new ApiError('network', String(error));
      }
      if (this.isClosed) return;
      this.isOpen = false;
      if (FINAL_STATUS.indexOf(reason.status) >= 0) {
        this.isClosed = true;
        this.dispatchEvent(new CustomEvent('line-refused', { detail: { error: reason } }));
        return;
      }
      if (this.lostAt === null) this.lostAt = Date.now();
      this.dispatchEvent(new CustomEvent('line-lost', { detail: { error: reason, sinceMs: this.lostAt } }));
      await this.backoff.wait((reason.retryAfterS || 0) * 1000);
    }
  }

  /** @private Read until the line ends. */
  async read() {
    const abort = (this.abort = new AbortController());
    /** @type {Record<string, string>} */
    const headers = { Accept: 'text/event-stream' };
    if (this.lastId) headers['Last-Event-ID'] = this.lastId;
    const response = await request(this.path, { headers, token: this.token, signal: abort.signal, timeoutMs: 10000 });
    if (!response.body) throw new ApiError('answer-invalid', this.path + ' has no body');
    if (abort.signal.aborted) return;
    this.isOpen = true;
    this.lostAt = null;
    this.backoff.reset();
    this.dispatchEvent(new CustomEvent('line-open'));
    const reader = response.body.getReader();
    const decoder = new TextDecoder();
    const parser = new EventParser((event) => this.deliver(event));
    let timer;
    const leave = () => reader.cancel().catch(() => undefined);
    abort.signal.addEventListener('abort', leave);
    try {
      for (;;) {
        timer = setTimeout(leave, SILENCE_MS);
        const part = await reader.read();
        clearTimeout(timer);
        if (part.done) return;
        parser.push(decoder.decode(part.value, { stream: true }));
      }
    } finally {
      clearTimeout(timer);
      abort.signal.removeEventListener('abort', leave);
      leave();
    }
  }

  /**
   * @private
   * @param {ServerEvent} event
   */
  deliver(event) {
    if (this.isClosed) return;
    if (event.id) this.lastId = event.id;
    let detail;
    try {
      detail = JSON.parse(event.data);
    } catch (error) {
      return; // not ours: every event of the contract is JSON
    }
    this.dispatchEvent(new CustomEvent(event.name, { detail }));
  }
}

/** @typedef {{name: string, data: string, id: string}} ServerEvent */

/** Cuts text that arrives in any pieces into events (WHATWG HTML §9.2.6). */
export class EventParser {
  /** @param {(event: ServerEvent) => void} onEvent */
  constructor(onEvent) {
    this.onEvent = onEvent;
    this.rest = '';
    this.name = '';
    /** @type {string[]} */
    this.data = [];
    this.id = '';
  }

  /** @private */
  clear() {
    this.name = '';
    this.data = [];
    this.id = '';
  }

  /** @param {string} text */
  push(text) {
    this.rest += text;
    // A carriage return at the very end may be the first half of CRLF: it stays until more comes.
    const held = this.rest.endsWith('\r') ? 1 : 0;
    const lines = this.rest.slice(0, this.rest.length - held).split(/\r\n|\n|\r/);
    const last = /** @type {string} */ (lines.pop());
    this.rest = last + (held ? '\r' : '');
    for (const line of lines) this.line(line);
  }

  /**
   * @private
   * @param {string} line
   */
  line(line) {
    if (line === '') {
      if (this.data.length) this.onEvent({ name: this.name || 'message', data: this.data.join('\n'), id: this.id });
      this.clear();
      return;
    }
    const colon = line.indexOf(':');
    if (colon === 0) return;
    const field = colon < 0 ? line : line.slice(0, colon);
    let value = colon < 0 ? '' : line.slice(colon + 1);
    if (value[0] === ' ') value = value.slice(1);
    if (field === 'event') this.name = value;
    else if (field === 'data') this.data.push(value);
    else if (field === 'id') this.id = value;
  }
}
