// One pupil's presence in a lesson: ticket, waiting, connection, and coming back after a loss. No DOM.

import { ApiError, json } from './api.js';
import { Backoff } from './backoff.js';
import { Listening } from './listening.js';
import { Reach } from './reach.js';
import { RelayMedia } from './relay.js';
import { EventLine } from './sse.js';
import { LOST_MS, WhepConnection } from './whep.js';

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
/**
 * A ticket and its TURN credentials hold for twelve hours: who waits since the morning needs new ones, everybody else offers
 * at once. Where they run out sooner, because clocks differ, `no-media` tells.
 */
const FRESH_MS = 11 * 3600 * 1000;
/** A renewal that takes longer does not hold up the attempt: most credentials are still good, and the next one finds it. */
const RENEW_MS = 1000;
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
    /** @type {JoinAnswer | null} */
    this.ticket = null;
    /** Wall clock when the ticket came; a monotonic one may stand still while a phone sleeps. @private */
    this.ticketAt = 0;
    /** @private @type {Promise<void> | null} */
    this.renewing = null;
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
    /** Where media come from in place of `current`, which keeps the lesson channel. @type {RelayMedia | null} */
    this.relay = null;
    /** Whether the room wants its pupils to play from the media server. @private */
    this.wantsRelay = false;
    /** Being connected to the media server. @private @type {RelayMedia | null} */
    this.nextRelay = null;
    /** @private */
    this.relayBackoff = new Backoff(1000, 30000);
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
    /** @private @type {JoinRequest} */
    this.key = {};
    /** The lesson's live events. @type {EventLine | null} */
    this.events = null;
    /** Made ahead, so that Start or *Entrer* finds it ready. @private @type {WhepConnection | null} */
    this.spare = null;
    /** Being connected beside the current one. @private @type {WhepConnection | null} */
    this.next = null;
    /** @private */
    this.isConnecting = false;
    /** Whether a connection is wanted although the present one receives. @private */
    this.isRerouting = false;
    /** The door of the present ticket. @private @type {JoinRequest | null} */
    this.ticketKey = null;
    /** @private */
    this.backoff = new Backoff(300, 5000);
    /** Since when a ticket is asked for in place of one that is no longer taken; wall clock. @type {number | null} */
    this.askingAt = null;
    /** @private @type {{key: JoinRequest, done: Promise<void>} | null} */
    this.rejoining = null;
    /** @private */
    this.rejoinBackoff = new Backoff(300, 8000);
    /** Whether the line of events has stood with the present ticket. @private */
    this.hasFollowed = true;
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
  async join(key) {
    if (this.key !== key) this.rejoinBackoff.hurry(); // whoever asks at another door, stops
    this.key = key;
    this.warm();
    /** @type {JoinAnswer} */
    const ticket = await json('/api/v1/join', { json: key, token: this.seat(key), timeoutMs: 10000 });
    if (this.key !== key) throw new ApiError('closed', 'another code was given meanwhile');
    this.keep(ticket);
    this.follow();
    this.take(ticket.view);
    return ticket.view;
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
    const view = await this.join(this.key);
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
    this.rejoinBackoff.hurry();
    if (this.events) this.events.hurry();
  }

  /** @private The line is back: an offer that was sent before is stuck in it. */
  tryAnew() {
    this.wake();
    if (this.next && this.next.state === 'asking') this.next.close();
  }

  /** Leave for good. @param {{keepalive?: boolean}} [how] */
  leave(how) {
    this.key = {}; // a ticket that is still asked for is not wanted any more
    this.rejoinBackoff.hurry();
    this.isIn = false;
    clearInterval(this.reporter);
    this.reporter = undefined;
    if (this.events) this.events.close();
    this.events = null;
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
    const sample = await (this.relay || connection).sample().catch(() => null);
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

  // --- the ticket -------------------------------------------------------------------------------------------------

  /** @private The ticket in whose place a new one is asked for: with it the pupil keeps the place. @param {JoinRequest} key */
  seat(key) {
    return this.ticket && this.ticketKey === key ? this.ticket.token : undefined;
  }

  /** @private @param {JoinAnswer} ticket */
  keep(ticket) {
    this.ticket = ticket;
    this.ticketKey = this.key;
    this.ticketAt = this.now();
  }

  /** @private Whether its credentials may be none any more; also after the clock was set. */
  isTicketOld() {
    return Math.abs(this.now() - this.ticketAt) > FRESH_MS;
  }

  /** @private Renew the ticket, in `RENEW_MS` or for the attempt after this one. Never rejects. */
  async freshen() {
    this.renewing = this.renewing || this.renew().catch(() => undefined).then(() => void (this.renewing = null));
    await Promise.race([this.renewing, new Promise((resolve) => setTimeout(resolve, RENEW_MS))]);
  }

  /** @private A new ticket for the same door beside the old one, which stays when none comes. */
  async renew() {
    const { key, ticket: old } = this;
    /** @type {JoinAnswer} */
    const ticket = await json('/api/v1/join', { json: key, token: this.seat(key), timeoutMs: 10000 });
    if (this.key !== key || this.ticket !== old) return;
    this.keep(ticket);
    if (this.events && old && ticket.events === old.events) {
      // What its view says was true when it was asked for; the line, which stays, may have told newer things.
      this.events.token = ticket.token;
      return;
    }
    this.follow();
    this.take(ticket.view);
  }

  // --- what the centre says ---------------------------------------------------------------------------------------

  /** @private */
  follow() {
    const ticket = /** @type {JoinAnswer} */ (this.ticket);
    if (this.events) this.events.close();
    const events = (this.events = new EventLine(ticket.events, { token: ticket.token }));
    this.hasFollowed = false;
    events.addEventListener('lesson', (event) => this.take(/** @type {CustomEvent<LessonView>} */ (event).detail));
    events.addEventListener('line-open', () => {
      this.hasFollowed = true;
      this.rejoinBackoff.reset();
    });
    events.addEventListener('line-refused', () => this.rejoin());
    events.open();
  }

  /**
   * @private A new ticket for the same door, when the old one is no longer taken: asked for until it comes, is refused,
   * or another door was chosen.
   * @returns {Promise<void>}
   */
  rejoin() {
    const { key } = this;
    if (this.rejoining && this.rejoining.key === key) return this.rejoining.done;
    const mine = { key, done: Promise.resolve() };
    this.rejoining = mine;
    this.askingAt = this.now();
    mine.done = this.askAgain(key).then(() => {
      if (this.rejoining !== mine) return;
      this.rejoining = null;
      this.askingAt = null;
    });
    return mine.done;
  }

  /** @private @param {JoinRequest} key */
  async askAgain(key) {
    // A ticket whose line was refused at once: its successor may fare no better.
    if (!this.hasFollowed) await this.rejoinBackoff.wait();
    while (this.key === key) {
      try {
        await this.join(key);
        return;
      } catch (error) {
        if (this.key !== key) return;
        if (!canPass(error)) {
          if (this.isReceiving()) return; // the room itself lets this pupil stay; it is asked again after a loss
          if (error instanceof ApiError && error.code === 'lesson-ended' && this.isIn) this.end('lesson-ended');
          else this.refuse(error);
          return;
        }
        await this.rejoinBackoff.wait(((error instanceof ApiError && error.retryAfterS) || 0) * 1000);
      }
    }
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
    if (view.phase === 'ended' && this.events) this.events.close(); // the other side ends the line after this
    this.tell('view', view);
    if (isNew) this.tell('phase', { phase: 'class', reason: '' });
    if (!this.isIn) return;
    if (isOver) {
      if (view.phase === 'ended' && this.phase === 'waiting') this.rejoin(); // now the centre has the next one
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
    this.wantsRelay = false;
    this.leaveRelay(how);
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
      if (this.isTicketOld()) {
        await this.freshen();
        if (!this.wantsConnection()) break;
      }
      const next = (this.next = this.spare || this.newConnection());
      this.spare = null;
      try {
        await this.connect(next, OFFER_TIMEOUTS_MS[Math.min(tries, OFFER_TIMEOUTS_MS.length - 1)]);
      } catch (error) {
        next.close();
        if (this.next === next) this.next = null;
        this.isRerouting = false; // the old one does, or its loss is told
        tries += 1;
        if (!(await this.shallGoOn(error))) break;
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
    const ticket = /** @type {JoinAnswer} */ (this.ticket);
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
      this.wantsRelay = /** @type {CustomEvent<import('./protocol').PlayFrom>} */ (event).detail.source !== 'room';
      if (next === this.current) this.followRelay();
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
    if (!next.isResting) this.wantsRelay = false; // it is another room's run, or its line holds us again
    if (!isFirst && !this.relay) this.show(next);
    for (const message of early.splice(0)) this.tell('tiles', message);
    if (old) old.close();
    if (next.transceivers.sound && !this.relay) this.listening.attach(next.transceivers.sound.receiver);
    this.followRelay();
    this.tell('line', { state: 'connected', sinceMs: null, code: '' });
  }

  /** @private Have the page play what a connection to the room sends. @param {WhepConnection} connection */
  show(connection) {
    this.tell('tracks', { tracks: connection.tracks, connection });
  }

  // --- the media server ---------------------------------------------------------------------------------------------

  /** @private Play from where the room wants it. */
  async followRelay() {
    if (!this.wantsRelay && this.relay && this.current) {
      await this.current.nextPacket(LOST_MS);
      if (!this.wantsRelay && this.relay && this.current) this.show(this.current);
    }
    if (!this.wantsRelay) this.leaveRelay();
    if (this.relay) this.sayFrom('media-server'); // to a room that has us by a new connection
    if (this.relay || this.nextRelay) return;
    while (this.wantsRelay && !this.relay) {
      const ticket = /** @type {JoinAnswer} */ (this.ticket);
      const relay = (this.nextRelay = new RelayMedia());
      try {
        await relay.connect({ url: ticket.whep, token: ticket.token, iceServers: ticket.ice_servers, timeoutMs: 10000 });
      } catch (error) {
        console.info('the media server gives nothing', error instanceof ApiError ? error.code : error);
        relay.close();
        if (this.wantsRelay) this.sayFrom('room');
        await this.relayBackoff.wait();
        this.nextRelay = null;
        continue;
      }
      this.nextRelay = null;
      if (!this.wantsRelay) {
        relay.close();
        return;
      }
      this.relay = relay;
      this.relayBackoff.reset();
      relay.addEventListener('lost', () => this.onRelayLost(relay));
      this.listening.attach(relay.main.transceivers.sound.receiver);
      this.tell('tracks', { tracks: relay.tracks, connection: relay.main });
      this.sayFrom('media-server');
    }
  }

  /** @private @param {RelayMedia} relay */
  onRelayLost(relay) {
    if (relay !== this.relay) return;
    this.sayFrom('room');
    this.leaveRelay();
    if (this.current) this.show(this.current);
    this.relayBackoff.wait().then(() => this.followRelay());
  }

  /** @private @param {import('./protocol').PlaysFrom['source']} source */
  sayFrom(source) {
    if (!this.current) return;
    if (source === 'room') this.current.rest(false); // it sends again as soon as it hears this
    if (this.current.channel) this.current.channel.send({ type: 'plays-from', source });
  }

  /** @private @param {{keepalive?: boolean}} [how] */
  leaveRelay(how) {
    if (this.relay && this.current && this.current.transceivers.sound)
      this.listening.attach(this.current.transceivers.sound.receiver);
    for (const relay of [this.relay, this.nextRelay]) if (relay) relay.close(how);
    this.relay = null;
    this.relayBackoff.hurry();
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
      await this.rejoin();
      if (!this.wantsConnection()) return false;
    }
    if (code === 'no-media') this.ticketAt = 0; // TURN may no longer take its credentials
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

/**
 * Whether a ticket that was not given now may be given later: no answer, a fault over there, too many wrong codes from
 * this school's address, or somebody else's page in between (a hotel's sign-in).
 *
 * @param {unknown} error
 */
function canPass(error) {
  if (!(error instanceof ApiError)) return false;
  return ['network', 'timeout', 'answer-invalid'].indexOf(error.code) >= 0 || error.status === 429 || error.status >= 500;
}

/** @param {number} value */
function round(value) {
  return Math.round(value * 10) / 10;
}
