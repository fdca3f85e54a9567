// The page of a teacher's own computer: a code, a choice, and who sees it for as long as it is shared.

import { isWhole, pretty } from '../lib/code.js';
import { Words } from '../lib/i18n.js';
import { Share } from './share.js';

const words = new Words(['screen']);
const share = new Share();

/** @template {HTMLElement} [T=HTMLElement] @param {string} name @returns {T} */
const el = (name) => /** @type {T} */ (document.getElementById(name));
const code = /** @type {HTMLInputElement} */ (el('code'));
const preview = /** @type {HTMLVideoElement} */ (el('preview'));

/** Why this browser cannot share at all, the end of a key; empty when it can. */
const unable = !window.isSecureContext
  ? 'insecure'
  : !navigator.mediaDevices || !navigator.mediaDevices.getDisplayMedia || !window.RTCPeerConnection
    ? 'unsupported'
    : '';
/** A code that cannot be one was typed. */
let isShort = false;
let before = '';

const SHARED = ['connecting', 'live', 'asking', 'lost'];
/** Reasons for an end that somebody wanted. */
const WANTED = ['screen-left', 'screen-stopped'];

/** @param {Element} element @param {string} text */
function say(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

function show() {
  if (!words.isLoaded) return;
  const state = unable ? unable : share.state;
  const isShared = SHARED.includes(state);
  const room = share.ticket ? share.ticket.room_name : '';
  document.documentElement.lang = words.lang;
  document.documentElement.dataset.state = state;
  document.title = words.t(state === 'live' ? 'screen.page.live' : 'screen.page');
  const other = words.lang === 'fr' ? 'en' : 'fr';
  el('lang').lang = other;
  say(el('lang'), other === 'en' ? 'English' : 'Français');
  say(el('title'), words.t('screen.title.' + state, { room }));
  say(el('words'), state === 'over' ? '' : words.t('screen.words.' + state, { room }));
  el('words').hidden = state === 'over';
  say(el('sign-words'), words.t('screen.sign'));
  el('sign').hidden = state !== 'live';
  const why = isShort ? 'screen-code-short' : share.why;
  el('problem').hidden = !why;
  el('problem').dataset.sort = WANTED.includes(share.why) ? 'fine' : 'bad';
  say(el('problem'), why ? words.error(why, { time: words.duration(share.waitS || 60) }) : '');
  say(el('code-label'), words.t('screen.code'));
  for (const name of ['go', 'share', 'other', 'stop', 'again']) say(el(name), words.t('screen.' + name));
  el('code-form').hidden = state !== 'code' && state !== 'checking';
  el('go').setAttribute('aria-disabled', String(state === 'checking'));
  el('share').hidden = state !== 'ready' && state !== 'choosing';
  el('share').setAttribute('aria-disabled', String(state === 'choosing'));
  el('other').hidden = el('stop').hidden = !isShared;
  el('again').hidden = state !== 'over';
  preview.hidden = !isShared;
  if (preview.srcObject !== share.stream) preview.srcObject = share.stream;
  preview.setAttribute('aria-label', words.t('screen.preview'));
  if (state === before) return;
  before = state;
  say(el('announce'), el('title').textContent + ' ' + el('words').textContent);
  const first = { code, ready: el('share'), over: el('again') }[/** @type {string} */ (state)];
  if (first) first.focus();
}

words.addEventListener('change', show);
share.addEventListener('change', show);
el('lang').addEventListener('click', () => words.choose(words.lang === 'fr' ? 'en' : 'fr').catch(() => undefined));
code.addEventListener('input', () => {
  const shown = pretty(code.value);
  if (code.selectionStart === code.value.length) code.value = shown; // in the middle the cursor would jump
  isShort = false;
  show();
});
el('code-form').addEventListener('submit', (event) => {
  event.preventDefault();
  if (share.state !== 'code') return;
  isShort = !isWhole(code.value);
  if (isShort) {
    show();
    code.focus();
  } else share.use(code.value);
});
el('share').addEventListener('click', () => share.state === 'ready' && share.choose());
el('other').addEventListener('click', () => share.choose());
el('stop').addEventListener('click', () => share.end());
el('again').addEventListener('click', () => {
  code.value = '';
  share.again();
});
window.addEventListener('pagehide', () => share.leave());
Object.assign(window, { estrade: share });

code.value = pretty(location.hash.slice(1));
if (location.hash) history.replaceState(null, '', location.pathname); // a code is nothing to keep
words.load().catch(() => {
  el('problem').hidden = false;
  el('problem').textContent = 'La connexion ne passe pas. / There is no connection.';
});
