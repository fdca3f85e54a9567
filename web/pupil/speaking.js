// That another pupil speaks: a voice that is not the teacher's is told as one. Nobody's name leaves the room for it.

import { announce, el, words } from './page.js';

export class Speaking {
  /** @param {import('./talk.js').TalkCard} talk this page's own floor */
  constructor(talk) {
    /** @private */
    this.talk = talk;
    /** Whether the voice that the room tells of is this page's; it hears of the end a moment after the card. @private */
    this.isOwn = false;
  }

  /** @param {boolean} isTold what the room says */
  show(isTold) {
    this.isOwn = isTold && (this.isOwn || this.talk.isOpen());
    const isShown = isTold && !this.isOwn;
    if (isShown && el('speaks-fact').hidden) announce(words.t('class.pupil-speaks'));
    el('speaks-fact').hidden = !isShown;
  }
}
