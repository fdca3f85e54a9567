// Small tools of the page: find elements, put words in, say something once, open and close sheets.

import { Words } from '../lib/i18n.js';

export const words = new Words();

/**
 * The element of this id, which the page surely has.
 *
 * @template {HTMLElement} [T=HTMLElement]
 * @param {string} id
 * @returns {T}
 */
export function el(id) {
  return /** @type {T} */ (document.getElementById(id));
}

/** Put text in only when it changes: a live region would speak it again. @param {Element} element @param {string} text */
export function say(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** Say something once to those who do not look. @param {string} text */
export function announce(text) {
  const region = el('announce');
  region.textContent = '';
  region.textContent = text;
}

/** Fill every element that names its words. */
export function putWords() {
  document.documentElement.lang = words.lang;
  for (const element of Array.from(document.querySelectorAll('[data-i18n]')))
    say(element, words.t(element.getAttribute('data-i18n') || ''));
  for (const element of Array.from(document.querySelectorAll('[data-i18n-label]')))
    element.setAttribute('aria-label', words.t(element.getAttribute('data-i18n-label') || ''));
  const other = words.lang === 'fr' ? 'en' : 'fr';
  const button = el('lang');
  button.lang = other;
  say(button, other === 'en' ? 'English' : 'Français');
}

/**
 * The sentences for an error, with its code for the help desk.
 *
 * @param {Element} element
 * @param {import('../lib/api.js').ApiError} error
 */
export function showError(element, error) {
  const text = words.error(error.code, { time: words.duration(error.retryAfterS || 60) });
  element.textContent = '';
  const sentence = document.createElement('span');
  sentence.textContent = text;
  const code = document.createElement('span');
  code.className = 'code';
  code.textContent = words.t('error.code-note', { code: error.code });
  element.append(sentence, code);
}

/** @type {{sheet: HTMLElement, button: HTMLElement} | null} */
let opened = null;

/** Open the sheet of a button, or close it. @param {string} buttonId @param {string} sheetId @param {() => void} onOpen */
export function sheet(buttonId, sheetId, onOpen) {
  const button = el(buttonId);
  const panel = el(sheetId);
  button.addEventListener('click', () => {
    const isOpen = opened !== null && opened.sheet === panel;
    closeSheet();
    if (isOpen) return;
    opened = { sheet: panel, button };
    panel.hidden = false;
    button.setAttribute('aria-expanded', 'true');
    onOpen();
    const title = /** @type {HTMLElement | null} */ (panel.querySelector('h2'));
    if (title) title.focus();
  });
  const close = panel.querySelector('[data-close]');
  if (close) close.addEventListener('click', closeSheet);
}

/** Close whatever sheet is open and give the focus back. */
export function closeSheet() {
  if (!opened) return;
  const was = opened;
  opened = null;
  was.sheet.hidden = true;
  was.button.setAttribute('aria-expanded', 'false');
  was.button.focus();
}

document.addEventListener('keydown', (event) => {
  if (event.key === 'Escape') closeSheet();
});
