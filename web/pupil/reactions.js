// Five reactions, one tap each: shown in the room for some seconds and kept nowhere.

import { announce, closeSheet, el, say, sheet, words } from './page.js';

/** @typedef {import('../lib/protocol').Reaction} Reaction */

/** @param {import('../lib/attendance.js').Attendance} attendance */
export function wireReactions(attendance) {
  sheet('react', 'react-sheet', () => say(el('react-told'), ''));
  for (const button of Array.from(document.querySelectorAll('[data-react]')))
    button.addEventListener('click', () => {
      const kind = /** @type {Reaction['kind']} */ (button.getAttribute('data-react'));
      if (!attendance.say({ type: 'reaction', kind })) {
        say(el('react-told'), words.t('react.not-sent'));
        return;
      }
      closeSheet();
      announce(words.t('react.sent'));
    });
}
