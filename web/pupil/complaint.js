// "Je n'entends pas": the page checks itself, tells the room what it found, and takes it back once it is over.

import { announce, el, sheet, words } from './page.js';
import { showFinding, whySilent } from './quality.js';

/** @typedef {import('../lib/attendance.js').Attendance} Attendance */
/** @typedef {import('./quality.js').Facts} Facts */

/** Long enough for a second that is measured after the tap; a report out of turn would measure a moment, and find nothing. */
const HEARING_MS = 1500;
/** So many seconds in turn must be well: one alone may be luck on a bad line. */
const WELL_LOOKS = 2;

export class Complaint {
  /** @param {Attendance} attendance @param {() => Facts} facts */
  constructor(attendance, facts) {
    /** @private */
    this.attendance = attendance;
    /** @private */
    this.facts = facts;
    /** What the room was told, and holds to be so; empty when nothing. @private */
    this.told = '';
    /** @private */
    this.well = 0;
    /** Taken back here, but the room could not be told yet. @private */
    this.isOver = false;
    sheet('cannot-hear', 'hear-sheet', () => this.make());
    el('hear-again').addEventListener('click', () => this.takeBack());
  }

  /** @private Look for what is wrong, and tell the room. */
  async make() {
    showFinding(null);
    await new Promise((resolve) => setTimeout(resolve, HEARING_MS));
    const finding = whySilent(this.facts());
    this.told = this.attendance.say({ type: 'cannot-hear', found: finding.key }) ? finding.key : '';
    this.well = 0;
    this.isOver = false;
    showFinding(finding);
    this.show();
  }

  /** After each second: what was found to be wrong may be well. Where all was well, the pupil alone can tell. */
  look() {
    if (this.isOver) this.takeBack();
    if (!this.told || this.told === 'fine') return;
    this.well = whySilent(this.facts()).key === 'fine' ? this.well + 1 : 0;
    if (this.well >= WELL_LOOKS) this.takeBack();
  }

  /** The lesson is over, or another begins. */
  forget() {
    this.told = '';
    this.isOver = false;
    this.show();
  }

  /** @private */
  takeBack() {
    if (!this.told) return;
    this.isOver = !this.attendance.say({ type: 'can-hear' });
    if (this.isOver) return; // said once the line is back
    this.told = '';
    showFinding({ key: 'again' });
    if (el('hear-sheet').hidden) announce(words.t('hear.again')); // else the sheet says it
    this.show();
  }

  /** @private */
  show() {
    el('hear-again').hidden = this.told === '';
  }
}
