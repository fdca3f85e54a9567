// What is said, as text under the pictures: the last two sentences, while they are new.

import { el, say, words } from './page.js';

/** @typedef {import('../lib/protocol').Caption} Caption */

const LINES = 2;
/** A sentence that nothing followed is read by then. */
const STAY_MS = 12000;

export class Captions {
  constructor() {
    /** Oldest first. @private @type {Caption[]} */
    this.lines = [];
    /** @private */
    this.isOn = true;
    /** @private @type {ReturnType<typeof setTimeout> | undefined} */
    this.timer = undefined;
    el('captions-toggle').addEventListener('click', () => {
      this.isOn = !this.isOn;
      this.show();
    });
  }

  /** Take a sentence; one of the same id takes the place of the one before. @param {Caption} caption */
  take(caption) {
    el('captions-toggle').hidden = false;
    this.lines = this.lines.filter((line) => line.id !== caption.id).concat(caption).sort((a, b) => a.id - b.id).slice(-LINES);
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.clear(), STAY_MS);
    this.show();
  }

  clear() {
    clearTimeout(this.timer);
    this.lines = [];
    this.show();
  }

  /** Put the lines, and the words of the button. */
  show() {
    const box = el('captions');
    box.hidden = !this.isOn || this.lines.length === 0;
    el('class').classList.toggle('captioned', !box.hidden);
    for (let i = 0; i < LINES; i += 1) {
      const line = this.lines[i];
      const row = /** @type {HTMLElement} */ (box.children[i]);
      say(row, line ? line.text : '');
      row.lang = line ? line.language : '';
    }
    if (!words.isLoaded) return;
    el('captions-toggle').setAttribute('aria-pressed', String(this.isOn));
    say(/** @type {Element} */ (el('captions-toggle').lastElementChild), words.t(this.isOn ? 'captions.off' : 'captions.on'));
  }
}
