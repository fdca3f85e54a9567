// Written questions: kept here until the room has them, sent again after a loss under the same id, and what became of each.

import { el, say, sheet, words } from './page.js';

/** @typedef {import('../lib/attendance.js').Attendance} Attendance */
/** @typedef {import('../lib/protocol').QuestionState} QuestionState */
/** @typedef {{id: string, text: string, state: 'sending' | 'received' | 'answered' | 'refused'}} Asked */

/** Of this page's own questions, so many are shown. */
const SHOWN = 10;

export class Questions {
  /** @param {Attendance} attendance */
  constructor(attendance) {
    /** @private */
    this.attendance = attendance;
    /** Newest first; in this page's memory alone. @private @type {Asked[]} */
    this.asked = [];
    /** @private */
    this.field = /** @type {HTMLTextAreaElement} */ (el('question-text'));
    sheet('question', 'question-sheet', () => {
      this.show();
      this.field.focus();
    });
    el('question-form').addEventListener('submit', (event) => {
      event.preventDefault();
      this.ask();
    });
    this.field.addEventListener('keydown', (event) => {
      if (event.key === 'Enter' && (event.ctrlKey || event.metaKey)) this.ask();
    });
  }

  /** @private */
  ask() {
    const text = this.field.value.trim();
    this.field.focus();
    if (!text) return;
    const asked = /** @type {Asked} */ ({ id: newId(), text, state: 'sending' });
    this.asked = [asked, ...this.asked];
    this.field.value = '';
    this.send(asked);
    this.show();
  }

  /** @private @param {Asked} asked */
  send(asked) {
    this.attendance.say({ type: 'question', id: asked.id, text: asked.text });
  }

  /** The room knows this page again, and may have forgotten what it had: an id that it knows is no new question. */
  resume() {
    for (const asked of this.asked.slice().reverse())
      if (asked.state === 'sending' || asked.state === 'received') this.send(asked);
  }

  /** @param {QuestionState} told */
  take(told) {
    const asked = this.asked.find((one) => one.id === told.id);
    if (asked) asked.state = told.state;
    this.show();
  }

  /** Another lesson: what was asked in the one before is over. */
  clear() {
    this.asked = [];
    this.field.value = '';
    this.show();
  }

  /** Put the words again. */
  show() {
    if (!words.isLoaded) return;
    const list = el('question-list');
    this.asked.slice(0, SHOWN).forEach((asked, i) => {
      let row = list.children[i];
      if (!row) {
        row = document.createElement('li');
        row.append(document.createElement('span'), document.createElement('strong'));
        list.append(row);
      }
      /** @type {HTMLElement} */ (row).dataset.state = asked.state;
      say(row.children[0], asked.text);
      say(row.children[1], words.t('question.' + asked.state));
    });
    while (list.children.length > Math.min(SHOWN, this.asked.length)) /** @type {Element} */ (list.lastElementChild).remove();
    const newest = this.asked[0];
    say(el('question-told'), newest ? words.t('question.' + newest.state + '.told') : '');
  }
}

/** An id that no other question of this pupil has. */
function newId() {
  const random = new Uint32Array(2);
  crypto.getRandomValues(random);
  return 'q-' + random[0].toString(36) + random[1].toString(36);
}
