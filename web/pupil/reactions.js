// Five reactions, one tap each: shown in the room for some seconds and kept nowhere.

import { announce, closeSheet, el, say, sheet, words } from './page.js';

/** @typedef {import('../lib/protocol').Reaction} Reaction */

/** For so long the button says that the reaction is sent. */
const READ_MS = 4000;

/** @type {ReturnType<typeof setTimeout> | undefined} */
let timer;

/** Have the button say that it is sent, or what it is for. @param {boolean} isSent */
function showSent(isSent) {
  const button = el('react');
  const label = /** @type {Element} */ (button.lastElementChild);
  const key = isSent ? 'react.sent.short' : 'react.button';
  button.dataset.sent = String(isSent);
  label.setAttribute('data-i18n', key); // another language may be chosen meanwhile
  say(label, words.t(key));
  clearTimeout(timer);
  timer = isSent ? setTimeout(() => showSent(false), READ_MS) : undefined;
}

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
      showSent(true);
      announce(words.t('react.sent'));
    });
}
