// A pupil's ticket for a lesson: asked for, kept fresh, asked for again when it is no longer taken; and the line of events
// that it opens. No DOM.

import { ApiError, json } from './api.js';
import { Backoff } from './backoff.js';
import { EventLine } from './sse.js';

/** @typedef {import('./protocol').JoinAnswer} JoinAnswer */
/** @typedef {import('./protocol').JoinRequest} JoinRequest */
/** @typedef {import('./protocol').LessonView} LessonView */

/**
 * A ticket and its TURN credentials hold for twelve hours: who waits since the morning needs new ones, everybody else offers
 * at once. Where they run out sooner, because clocks differ, `no-media` tells.
 */
const FRESH_MS = 11 * 3600 * 1000;
/** A renewal that takes longer does not hold up the attempt: most credentials are still good, and the next one finds it. */
const RENEW_MS = 1000;

/**
 * Events: `asking`, each time that one is asked for; `view` {LessonView}, with a ticket that came and whenever the centre says;
 * `refused` {unknown}, why there is no ticket in place of one that is no longer taken.
 */
export class Ticket extends EventTarget {
  /** @param {() => number} now wall clock */
  constructor(now) {
    super();
    /** @private */
    this.now = now;
    /** @type {JoinAnswer | null} */
    this.answer = null;
    /** Wall clock when it came; a monotonic one may stand still while a phone sleeps. @private */
    this.at = 0;
    /** The door of the present one. @private @type {JoinRequest | null} */
    this.answerKey = null;
    /** The door at which is asked. @type {JoinRequest} */
    this.key = {};
    /** The lesson's live events. @type {EventLine | null} */
    this.events = null;
    /** @private @type {Promise<void> | null} */
    this.renewing = null;
    /** Since when one is asked for in place of one that is no longer taken; wall clock. @type {number | null} */
    this.askingAt = null;
    /** @private @type {{key: JoinRequest, done: Promise<void>} | null} */
    this.rejoining = null;
    /** @private */
    this.backoff = new Backoff(300, 8000);
    /** Whether the line of events has stood with the present one. @private */
    this.hasFollowed = true;
  }

  /**
   * Ask for one and follow its lesson. Rejects with ApiError.
   *
   * @param {JoinRequest} key
   * @returns {Promise<LessonView>}
   */
  async join(key) {
    if (this.key !== key) this.backoff.hurry(); // whoever asks at another door, stops
    this.key = key;
    this.tell('asking', null);
    /** @type {JoinAnswer} */
    const answer = await json('/api/v1/join', { json: key, token: this.seat(key), timeoutMs: 10000 });
    if (this.key !== key) throw new ApiError('closed', 'another code was given meanwhile');
    this.keep(answer);
    this.follow();
    this.tell('view', answer.view);
    return answer.view;
  }

  /** Whatever waits, tries now. */
  hurry() {
    this.backoff.hurry();
    if (this.events) this.events.hurry();
  }

  /** The lesson is followed no longer, and a ticket that is still asked for is not wanted any more. */
  close() {
    this.key = {};
    this.backoff.hurry();
    if (this.events) this.events.close();
    this.events = null;
  }

  /** TURN may no longer take its credentials: the next attempt renews it. */
  doubt() {
    this.at = 0;
  }

  /** @private The ticket in whose place a new one is asked for: with it the pupil keeps the place. @param {JoinRequest} key */
  seat(key) {
    return this.answer && this.answerKey === key ? this.answer.token : undefined;
  }

  /** @private @param {JoinAnswer} answer */
  keep(answer) {
    this.answer = answer;
    this.answerKey = this.key;
    this.at = this.now();
  }

  /** Whether its credentials may be none any more; also after the clock was set. */
  isOld() {
    return Math.abs(this.now() - this.at) > FRESH_MS;
  }

  /** Renew it, in `RENEW_MS` or for the attempt after this one. Never rejects. */
  async freshen() {
    this.renewing = this.renewing || this.renew().catch(() => undefined).then(() => void (this.renewing = null));
    await Promise.race([this.renewing, new Promise((resolve) => setTimeout(resolve, RENEW_MS))]);
  }

  /** @private A new ticket for the same door beside the old one, which stays when none comes. */
  async renew() {
    const { key, answer: old } = this;
    /** @type {JoinAnswer} */
    const answer = await json('/api/v1/join', { json: key, token: this.seat(key), timeoutMs: 10000 });
    if (this.key !== key || this.answer !== old) return;
    this.keep(answer);
    if (this.events && old && answer.events === old.events) {
      // What its view says was true when it was asked for; the line, which stays, may have told newer things.
      this.events.token = answer.token;
      return;
    }
    this.follow();
    this.tell('view', answer.view);
  }

  /** @private */
  follow() {
    const answer = /** @type {JoinAnswer} */ (this.answer);
    if (this.events) this.events.close();
    const events = (this.events = new EventLine(answer.events, { token: answer.token }));
    this.hasFollowed = false;
    events.addEventListener('lesson', (event) => this.tell('view', /** @type {CustomEvent<LessonView>} */ (event).detail));
    events.addEventListener('line-open', () => {
      this.hasFollowed = true;
      this.backoff.reset();
    });
    events.addEventListener('line-refused', () => this.rejoin());
    events.open();
  }

  /**
   * A new one for the same door, when the old one is no longer taken: asked for until it comes, is refused,
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
    if (!this.hasFollowed) await this.backoff.wait();
    while (this.key === key) {
      try {
        await this.join(key);
        return;
      } catch (error) {
        if (this.key !== key) return;
        if (!canPass(error)) {
          this.tell('refused', error);
          return;
        }
        await this.backoff.wait(((error instanceof ApiError && error.retryAfterS) || 0) * 1000);
      }
    }
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
