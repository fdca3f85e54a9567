// The raised hand: one tap, the place in the queue, and what the room makes of it.

import { announce, el, say, words } from './page.js';

/** @typedef {import('../lib/attendance.js').Attendance} Attendance */
/** @typedef {import('../lib/protocol').You} You */

/** A wish that the room has not confirmed by then is given up: what the room says is the truth. */
const WISH_MS = 4000;

export class Hand {
  /** @param {Attendance} attendance */
  constructor(attendance) {
    /** @private */
    this.attendance = attendance;
    /** @private @type {You | null} */
    this.you = null;
    /** What was tapped and the room has not said yet. @private @type {boolean | null} */
    this.wish = null;
    /** @private @type {ReturnType<typeof setTimeout> | undefined} */
    this.timer = undefined;
    el('hand').addEventListener('click', () => this.turn(!this.isUp()));
  }

  /** @private */
  isUp() {
    return this.wish !== null ? this.wish : this.you !== null && this.you.hand !== 'down';
  }

  /** @private @param {boolean} isRaised */
  turn(isRaised) {
    this.wish = isRaised;
    this.send();
    this.show();
  }

  /** @private */
  send() {
    clearTimeout(this.timer);
    if (this.wish === null || !this.attendance.say({ type: 'hand', is_raised: this.wish })) return; // said once the line is back
    this.timer = setTimeout(() => {
      this.wish = null;
      this.show();
    }, WISH_MS);
  }

  /** The room knows this page again: say what it may not have heard. */
  resume() {
    this.send();
  }

  /** @param {You | null} you */
  take(you) {
    const was = this.you ? this.you.hand : 'down';
    this.you = you;
    if (you === null) {
      clearTimeout(this.timer);
      this.wish = null;
    } else if (this.wish === (you.hand !== 'down')) {
      clearTimeout(this.timer);
      this.wish = null;
    }
    this.show();
    if (you && you.hand === 'taken' && was !== 'taken') announce(words.t(this.key()));
  }

  /** @private */
  key() {
    const { you } = this;
    if (!this.isUp()) return '';
    if (you && you.hand === 'taken') return this.attendance.isInRoom ? 'hand.taken.in-room' : 'hand.taken';
    if (!you || you.place === null) return 'hand.sending';
    return you.place === 1 ? 'hand.first' : 'hand.place';
  }

  /** Put the words again. */
  show() {
    if (!words.isLoaded) return;
    const key = this.key();
    const text = key && words.t(key, { n: words.number((this.you && this.you.place) || 0) });
    say(el('hand-words'), text);
    el('hand-words').hidden = text === '';
    el('hand').setAttribute('aria-pressed', String(this.isUp()));
    say(/** @type {Element} */ (el('hand').lastElementChild), words.t(this.isUp() ? 'hand.lower' : 'hand.raise'));
  }
}
