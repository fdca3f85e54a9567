// One pupil's presence in a lesson: ticket, waiting, connection, and coming back after a loss. No DOM.

import { ApiError } from './api.js';
import { Backoff } from './backoff.js';
import { Listening } from './listening.js';
import { Reach } from './reach.js';
import { Source } from './source.js';
import { Ticket } from './ticket.js';
import { WhepConnection } from './whep.js';

/** @typedef {import('./protocol').JoinAnswer} JoinAnswer */
/** @typedef {import('./protocol').JoinRequest} JoinRequest */
/** @typedef {import('./protocol').LessonView} LessonView */
/** @typedef {import('./protocol').Notice} Notice */
/** @typedef {import('./protocol').Sending} Sending */
/** @typedef {import('./protocol').Wish} Wish */
/** @typedef {import('./protocol').Reception['output']} Output */

/** Each second the room learns what really arrives here. */
const RECEPTION_MS = 1000;
/** Sound without a packet for nearly so long is none. */
const SOUND_MS = 900;
/** An offer that waits in a room that has just fallen is lost: ask again soon, then give slow lines their time. */
const OFFER_TIMEOUTS_MS = [3000, 5000, 10000];
/** A room whose agent was restarted says for some seconds that it has no lesson, and then resumes it. */
const RESUME_MS = 12000;
/** Refusals that another try cannot heal. */
const HOPELESS = ['not-admitted', 'lesson-locked', 'no-common-codec', 'offer-invalid', 'offer-too-large', 'browser-too-old', 'answer-invalid'];

/**
 * Events: `view` {LessonView}; `phase` {'waiting' | 'class' | 'ended', reason}; `tracks` {tracks: {sound?, board?, camera?}, connection};
 * `line` {state: 'connecting' | 'connected' | 'lost', sinceMs, code}; `notice` {Notice}; `sending` {Sending}; `sample` {Sample};
 * `tiles` {ArrayBuffer}; `refused` {ApiError}; `greeted`, when a connection said who we are; `you` {You}, `talk`,
 * `question-state` and `caption` as the room says them.
 */
export class Attendance extends EventTarget {
  /** @param {{now?: () => number, newConnection?: () => WhepConnection}} [parts] wall clock, and what makes connections */
  constructor(parts) {
    super();
    /** @private */
    this.now = (parts && parts.now) || (() => Date.now());
    /** @private */
    this.newConnection = (parts && parts.newConnection) || (() => new WhepConnection());
    this.ticket = new Ticket(this.now);
    this.ticket.addEventListener('asking', () => this.warm());
    this.ticket.addEventListener('view', (event) => this.take(/** @type {CustomEvent<LessonView>} */ (event).detail));
    this.ticket.addEventListener('refused', (event) => this.onTicketRefused(/** @type {CustomEvent<unknown>} */ (event).detail));
    /** @type {LessonView | null} */
    this.view = null;
    /** @type {Notice | null} */
    this.notice = null;
    /** What the room says that it sends here. @type {Sending | null} */
    this.sending = null;
    /** How much is wanted, and what first; told at once and to each new connection. @type {Wish | null} */
    this.wish = null;
    /** What is shown now. @type {WhepConnection | null} */
    this.current = null;
    /** @private */
    this.source = new Source({
      ticket: () => /** @type {JoinAnswer} */ (this.ticket.answer),
      room: () => this.current,
      show: (media, connection) => this.tell('tracks', { tracks: media.tracks, connection }),
      listen: (connection) => this.listening.attach(connection.transceivers.sound.receiver),
    });
    this.isIn = false;
    this.name = '';
    this.isInRoom = false;
    /** Asked before each report: what becomes of the sound here? @type {() => Output} */
    this.output = () => 'blocked';
    /** Asked before each report: how many pictures a second are shown; null where the page cannot know. @type {(track: 'board' | 'camera') => number | null} */
    this.shownFps = () => null;
    /** @private */
    this.listening = new Listening();
    /** performance.now() when packets of the sound were last seen. @private */
    this.soundAt = -Infinity;
    /** Made ahead, so that Start or *Entrer* finds it ready. @private @type {WhepConnection | null} */
    this.spare = null;
    /** Being connected beside the current one. @private @type {WhepConnection | null} */
    this.next = null;
    /** @private */
    this.isConnecting = false;
    /** Whether a connection is wanted although the present one receives. @private */
    this.isRerouting = false;
    /** @private */
    this.backoff = new Backoff(300, 5000);
    /** @private */
    this.reach = new Reach(() => this.tryAnew());
    /** Wall clock of the loss. @private @type {number | null} */
    this.lostAt = null;
    /** @private @type {ReturnType<typeof setInterval> | undefined} */
    this.reporter = undefined;
    /** @private */
    this.phase = '';
    /** The lesson whose end is known here; the centre may still call it open, for it hears of the end a moment later. */
    this.over = '';
    /** @private @type {ReturnType<typeof setTimeout> | undefined} */
    this.grace = undefined;
  }

  /**
   * Ask for a ticket and follow the lesson. Rejects with ApiError.
   *
   * @param {JoinRequest} key
   * @returns {Promise<LessonView>}
   */
  join(key) {
    return this.ticket.join(key);
  }

  /** Since when a ticket is asked for in place of one that is no longer taken; wall clock. */
  get askingAt() {
    return this.ticket.askingAt;
  }

  /** Go in: to the class when it is open, else wait for it. @param {string} name @param {boolean} isInRoom */
  enter(name, isInRoom) {
    this.name = name;
    this.isInRoom = isInRoom;
    this.isIn = true;
    this.reporter = this.reporter || setInterval(() => this.report(), RECEPTION_MS);
    if (this.view) this.take(this.view);
  }

  /** After the end of a lesson: wait for the next one behind the same door. Rejects with ApiError. */
  async waitForNext() {
    const view = await this.join(this.ticket.key);
    if (view.lesson === this.over) this.waitAtTheDoor();
  }

  /** Say how much is wanted, now and to each later connection. @param {Wish} wish */
  wishFor(wish) {
    this.wish = wish;
    if (this.current && this.current.channel) this.current.channel.send(wish);
  }

  /** The network may be another one: connect anew beside what there is, which stays until that stands. */
  reroute() {
    this.wake();
    if (!this.isReceiving() || this.isConnecting) return;
    this.isRerouting = true;
    this.keepConnected();
  }

  /** The page is visible again or the network is back: whatever waits, tries now. */
  wake() {
    this.backoff.hurry();
    this.ticket.hurry();
  }

  /** @private The line is back: an offer that was sent before is stuck in it. */
  tryAnew() {
    this.wake();
    if (this.next && this.next.state === 'asking') this.next.close();
  }

  /** Leave for good. @param {{keepalive?: boolean}} [how] */
  leave(how) {
    this.ticket.close();
    this.isIn = false;
    clearInterval(this.reporter);
    this.reporter = undefined;
    this.endGrace();
    this.drop(how);
  }

  /** Say something to the room; false when no connection can, and then nothing was said. @param {import('./channel.js').Said} message */
  say(message) {
    for (const connection of [this.next, this.current])
      if (connection && connection.channel && connection.channel.send(message)) return true;
    return false;
  }

  /** Whether the room has this page wait in the lobby. */
  isKnocking() {
    return !!this.next && this.next.isKnocking;
  }

  /** Send what arrives here to the room now, and tell the page. */
  async report() {
    const connection = this.current;
    if (!connection || !connection.pc) return null;
    const sample = await (this.source.relay || connection).sample().catch(() => null);
    if (!sample || connection !== this.current) return null;
    this.tell('sample', sample);
    const now = performance.now();
    if (sample.tracks.sound.packets > 0) this.soundAt = now;
    const output = this.output();
    const { levels, playedRtp } = this.listening.take();
    if (connection.channel)
      connection.channel.send({
        type: 'reception',
        board_fps: round(this.fps('board', sample)),
        camera_fps: round(this.fps('camera', sample)),
        is_heard: now - this.soundAt < SOUND_MS && output === 'playing',
        loss_percent: round(sample.lossPercent),
        rtt_ms: sample.rttMs === null ? null : round(sample.rttMs),
        output,
        levels_dbfs: levels,
        played_rtp: playedRtp,
      });
    return sample;
  }

  /** The page was touched: the browser may let more run now. */
  touched() {
    this.listening.touched();
  }

  /** @private What is shown; for a page in the background, which shows nothing, what arrives. @param {'board' | 'camera'} track @param {import('./meter.js').Sample} sample */
  fps(track, sample) {
    const shown = this.shownFps(track);
    const { fps, packets } = sample.tracks[track];
    return shown === null ? Math.max(fps, packets > 0 ? 1 : 0) : shown;
  }

  // --- what the centre says ---------------------------------------------------------------------------------------

  /** @private @param {unknown} error */
  onTicketRefused(error) {
    if (this.isReceiving()) return; // the room itself lets this pupil stay; it is asked again after a loss
    if (error instanceof ApiError && error.code === 'lesson-ended' && this.isIn) this.end('lesson-ended');
    else this.refuse(error);
  }

  /** @private @param {LessonView} view */
  take(view) {
    const cameBack = this.grace !== undefined || (this.view && !this.view.room_online && view.room_online);
    this.view = view;
    const isOver = view.lesson === this.over;
    // The offer leaves before the page is drawn anew: a phone takes as long for that as the room for its answer.
    const isOpening = this.isIn && view.phase === 'open' && !isOver;
    const isNew = isOpening && this.phase !== 'class';
    if (isNew) {
      this.phase = 'class';
      this.keepConnected();
    }
    if (view.phase === 'ended' && this.ticket.events) this.ticket.events.close(); // the other side ends the line after this
    this.tell('view', view);
    if (isNew) this.tell('phase', { phase: 'class', reason: '' });
    if (!this.isIn) return;
    if (isOver) {
      if (view.phase === 'ended' && this.phase === 'waiting') this.ticket.rejoin(); // now the centre has the next one
      return;
    }
    if (view.phase !== 'waiting') this.endGrace();
    if (view.phase === 'open') {
      if (cameBack) this.backoff.hurry();
      this.keepConnected();
    } else if (view.phase === 'ended') {
      this.end('lesson-ended');
    } else if (this.phase === 'class') {
      this.grace = this.grace || setTimeout(() => this.waitAtTheDoor(), RESUME_MS);
    } else this.waitAtTheDoor();
  }

  /** @private */
  waitAtTheDoor() {
    this.endGrace();
    this.drop();
    this.warm();
    this.enterPhase('waiting');
  }

  /** @private */
  endGrace() {
    clearTimeout(this.grace);
    this.grace = undefined;
  }

  /** @private @param {string} phase @param {string} [reason] */
  enterPhase(phase, reason) {
    if (this.phase === phase) return;
    this.phase = phase;
    this.tell('phase', { phase, reason: reason || '' });
  }

  /** @private @param {string} reason */
  end(reason) {
    this.over = this.view ? this.view.lesson : '';
    this.endGrace();
    this.drop();
    this.enterPhase('ended', reason);
  }

  // --- the connection ---------------------------------------------------------------------------------------------

  /** Make a connection and its offer ahead, so that the first one does not pay for it. */
  warm() {
    if (this.spare) return;
    const spare = (this.spare = this.newConnection());
    spare.prepare().catch(() => undefined); // told when it is used
  }

  /** @private @param {{keepalive?: boolean}} [how] */
  drop(how) {
    this.listening.detach();
    for (const connection of [this.current, this.next, this.spare]) if (connection) connection.close(how);
    this.current = this.next = this.spare = null;
    this.source.wantsRelay = false;
    this.source.leave(how);
    this.lostAt = null;
    this.reach.stop();
    this.notice = null;
    this.sending = null;
    this.backoff.hurry();
  }

  /** @private */
  wantsConnection() {
    return this.isIn && this.phase === 'class' && (this.isRerouting || !this.isReceiving());
  }

  /** @private */
  isReceiving() {
    return !!this.current && this.current.state === 'receiving';
  }

  /** @private Connect, beside what there is, until media flow or nobody wants it any more. */
  async keepConnected() {
    if (this.isConnecting || !this.wantsConnection()) return;
    this.isConnecting = true;
    let tries = 0;
    while (this.wantsConnection()) {
      if (!this.isReceiving()) this.tell('line', { state: this.lostAt === null ? 'connecting' : 'lost', sinceMs: this.lostAt, code: '' });
      if (this.ticket.isOld()) {
        await this.ticket.freshen();
        if (!this.wantsConnection()) break;
      }
      const next = (this.next = this.spare || this.newConnection());
      this.spare = null;
      try {
        await this.connect(next, OFFER_TIMEOUTS_MS[Math.min(tries, OFFER_TIMEOUTS_MS.length - 1)]);
      } catch (error) {
        next.close();
        if (this.next === next) this.next = null;
        tries += 1;
        // Beside one that does, nothing is told: a network that has just come back may need a second try, not a tenth.
        const isBeside = this.isReceiving();
        this.isRerouting = this.isRerouting && isBeside && tries < OFFER_TIMEOUTS_MS.length;
        if (this.isRerouting) await this.backoff.wait();
        else if (!(await this.shallGoOn(error))) break;
        continue;
      }
      tries = 0;
      this.isRerouting = false;
      this.backoff.reset();
    }
    if (this.next) this.next.close();
    this.next = null;
    this.isConnecting = false;
  }

  /**
   * @private
   * @param {WhepConnection} next
   * @param {number} timeoutMs
   * @returns {Promise<void>} when media flow and `next` is what is shown
   */
  async connect(next, timeoutMs) {
    const ticket = /** @type {JoinAnswer} */ (this.ticket.answer);
    const isFirst = !this.current;
    /** @type {unknown[]} */
    const early = [];
    next.addEventListener('tiles', (event) => {
      const { detail } = /** @type {CustomEvent<unknown>} */ (event);
      if (isFirst || next === this.current) this.tell('tiles', detail);
      else early.push(detail); // what is seen is still the old connection's
    });
    next.addEventListener('channel-open', () => {
      if (!next.channel) return;
      next.channel.send({ type: 'hello', name: this.name, is_in_room: this.isInRoom });
      if (this.wish) next.channel.send(this.wish);
      this.tell('greeted', null);
    });
    next.addEventListener('sending', (event) => {
      this.sending = /** @type {CustomEvent<Sending>} */ (event).detail;
      this.tell('sending', this.sending);
    });
    for (const name of ['you', 'talk', 'question-state', 'caption'])
      next.addEventListener(name, (event) => this.tell(name, /** @type {CustomEvent} */ (event).detail));
    next.addEventListener('notice', (event) => {
      this.notice = /** @type {CustomEvent<Notice>} */ (event).detail;
      this.tell('notice', this.notice);
    });
    next.addEventListener('ended', (event) => {
      const { reason } = /** @type {CustomEvent<import('./protocol').Ended>} */ (event).detail;
      if (reason === 'room-closing') next.lose(reason);
      else this.end(reason);
    });
    next.addEventListener('play-from', (event) => {
      this.source.wantsRelay = /** @type {CustomEvent<import('./protocol').PlayFrom>} */ (event).detail.source !== 'room';
      if (next === this.current) this.source.follow();
    });
    const media = new Promise((resolve, reject) => {
      next.addEventListener('media', resolve);
      next.addEventListener('lost', (event) => {
        const { reason } = /** @type {CustomEvent<{reason: string}>} */ (event).detail;
        reject(new ApiError('no-media', reason));
      });
      next.addEventListener('closed', () => reject(new ApiError('closed', 'closed before media came')));
    });
    media.catch(() => undefined); // an earlier failure may be the one that is told
    await next.connect({ url: ticket.whep, token: ticket.token, iceServers: ticket.ice_servers, timeoutMs });
    if (isFirst) this.show(next); // nothing is shown that it could disturb, and the first picture is not kept waiting
    await media;
    const old = this.current;
    this.current = next;
    this.next = null;
    this.lostAt = null;
    this.reach.stop();
    next.addEventListener('lost', () => this.onLost(next));
    next.addEventListener('back', () => this.onBack(next));
    if (!next.isResting) this.source.wantsRelay = false; // it is another room's run, or its line holds us again
    if (!isFirst && !this.source.relay) this.show(next);
    for (const message of early.splice(0)) this.tell('tiles', message);
    if (old) old.close();
    if (next.transceivers.sound && !this.source.relay) this.listening.attach(next.transceivers.sound.receiver);
    this.source.follow();
    this.tell('line', { state: 'connected', sinceMs: null, code: '' });
  }

  /** @private Have the page play what a connection to the room sends. @param {WhepConnection} connection */
  show(connection) {
    this.tell('tracks', { tracks: connection.tracks, connection });
  }

  /** @private @param {WhepConnection} connection */
  onLost(connection) {
    if (connection !== this.current) return;
    if (this.lostAt === null) this.lostAt = Date.now();
    this.tell('line', { state: 'lost', sinceMs: this.lostAt, code: '' });
    this.reach.start();
    this.keepConnected();
  }

  /** @private The old connection mended itself before a new one stood. @param {WhepConnection} connection */
  onBack(connection) {
    if (connection !== this.current) return;
    this.lostAt = null;
    this.reach.stop();
    if (this.next) this.next.close();
    this.backoff.hurry();
    this.tell('line', { state: 'connected', sinceMs: null, code: '' });
  }

  /**
   * @private
   * @param {unknown} error why an attempt failed
   * @returns {Promise<boolean>} true once it is time for another
   */
  async shallGoOn(error) {
    if (!this.wantsConnection()) return false;
    const code = error instanceof ApiError ? error.code : 'internal';
    if (code === 'lesson-ended') {
      this.end('lesson-ended');
      return false;
    }
    if (HOPELESS.indexOf(code) >= 0) {
      this.refuse(error);
      return false;
    }
    this.tell('line', { state: this.lostAt === null ? 'connecting' : 'lost', sinceMs: this.lostAt, code });
    this.reach.start();
    if (code === 'token-invalid') {
      await this.ticket.rejoin();
      if (!this.wantsConnection()) return false;
    }
    if (code === 'no-media') this.ticket.doubt();
    if (code === 'lesson-not-started' && this.view) this.take(Object.assign({}, this.view, { phase: 'waiting' }));
    const retryAfterS = error instanceof ApiError ? error.retryAfterS : null;
    await this.backoff.wait((retryAfterS || 0) * 1000);
    return this.wantsConnection();
  }

  /** @private @param {unknown} error */
  refuse(error) {
    this.leave();
    this.phase = '';
    this.tell('refused', error instanceof ApiError ? error : new ApiError('internal', String(error)));
  }

  /** @private @param {string} name @param {unknown} detail */
  tell(name, detail) {
    this.dispatchEvent(new CustomEvent(name, { detail }));
  }
}

/** @param {number} value */
function round(value) {
  return Math.round(value * 10) / 10;
}
