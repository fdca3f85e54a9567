// The page behind a link to a recording: gets what lies sealed at the centre, and opens it here with the link's key.

import { ApiError, request } from '../lib/api.js';
import { Words } from '../lib/i18n.js';
import { keyOf, openSealed } from '../lib/sealed.js';

const words = new Words();
const id = (/^\/r\/([^/?#]+)/.exec(location.pathname) || [])[1] || '';

/** @template {HTMLElement} [T=HTMLElement] @param {string} name @returns {T} */
const el = (name) => /** @type {T} */ (document.getElementById(name));

/** What the page says: a key, and how far it is. */
let said = 'shared.loading';
let percent = 0;
/** @type {ApiError | null} */
let failed = null;

function show() {
  document.documentElement.lang = words.lang;
  const other = words.lang === 'fr' ? 'en' : 'fr';
  el('lang').lang = other;
  el('lang').textContent = other === 'en' ? 'English' : 'Français';
  el('title').textContent = words.t('shared.title');
  document.title = words.t('shared.page');
  el('save').textContent = words.t('shared.save');
  el('words').textContent = failed ? '' : words.t(said, { percent: words.number(percent / 100, { style: 'percent' }) });
  el('problem').hidden = !failed;
  if (failed) el('problem').textContent = words.error(failed.code) + ' ' + words.t('error.code-note', { code: failed.code });
}

/** @param {string} key @param {number} [share] */
function say(key, share) {
  const next = Math.floor((share || 0) * 100);
  if (key === said && next === percent) return;
  said = key;
  percent = next;
  /** @type {HTMLProgressElement} */ (el('progress')).value = next;
  show();
}

async function open() {
  if (!window.isSecureContext) throw new ApiError('share-insecure', 'this page was not opened over https');
  const key = await keyOf(location.hash.slice(1)).catch(() => {
    throw new ApiError('share-key', 'the link has no key');
  });
  const response = await request('/api/v1/shared/' + id, { timeoutMs: 0 });
  const size = Number(response.headers.get('content-length')) || 1;
  if (!response.body) throw new ApiError('answer-invalid', 'the answer has no body');
  const blob = await openSealed(response.body, size, key, (share) => say('shared.loading', share)).catch((error) => {
    if (error instanceof ApiError) throw error;
    throw new ApiError('share-key', 'what came does not open with this key');
  });
  const address = URL.createObjectURL(blob);
  /** @type {HTMLVideoElement} */ (el('video')).src = address;
  /** @type {HTMLAnchorElement} */ (el('save')).href = address;
  el('video').hidden = false;
  el('save').hidden = false;
  el('progress').hidden = true;
  say('shared.ready');
}

words.addEventListener('change', show);
el('lang').addEventListener('click', () => words.choose(words.lang === 'fr' ? 'en' : 'fr').catch(() => undefined));
words
  .load()
  .then(open)
  .catch((error) => {
    failed = error instanceof ApiError ? error : new ApiError('internal', String(error));
    el('progress').hidden = true;
    show();
  });
