// A camera that turns while a button is held: said again each 0.2 s, let go on every way out. No words and no elements.

import { signal } from '@preact/signals';
import { ApiError, request } from '../lib/api.js';

/** @typedef {{pan: number, tilt: number, zoom: number}} Speed */

const AGAIN_MS = 200;
/** At first slowly, so that a short touch aims; then as fast as the camera does. */
const SLOW_MS = 700;
const SLOW = 0.3;
/** What one press of a screen reader turns. */
const NUDGE_MS = 300;
/** The room's program stops the camera half a second after the last word; an answer later than this helps nobody. */
const ANSWER_MS = 1000;

/** What is held now; null: nothing. @type {import('@preact/signals').Signal<Speed | null>} */
export const held = signal(null);
let press = '';
let since = 0;
let timer = 0;
let isAsking = false;
/** @type {(error: ApiError) => void} */
let tell = () => undefined;

/** Hear what is refused. @param {(error: ApiError) => void} listener */
export const onRefusal = (listener) => (tell = listener);

/** Turn so until `letGo`; another speed takes the place of this one. @param {Speed} speed */
export function hold(speed) {
  const before = held.value;
  if (before && before.pan === speed.pan && before.tilt === speed.tilt && before.zoom === speed.zoom) return;
  if (!before) {
    press = Date.now().toString(36) + '-' + Math.random().toString(36).slice(2, 8);
    since = performance.now();
  }
  held.value = speed;
  clearTimeout(timer);
  sayAgain();
}

export function letGo() {
  if (!held.value) return;
  held.value = null;
  clearTimeout(timer);
  send('release', { press });
}

/** Turn a little. @param {Speed} speed */
export function nudge(speed) {
  hold(speed);
  setTimeout(letGo, NUDGE_MS);
}

function sayAgain() {
  const speed = held.value;
  if (!speed) return;
  const share = performance.now() - since < SLOW_MS ? SLOW : 1;
  if (!isAsking) {
    isAsking = true;
    send('hold', { press, pan: speed.pan * share, tilt: speed.tilt * share, zoom: speed.zoom * share }).then(() => (isAsking = false));
  }
  timer = setTimeout(sayAgain, AGAIN_MS);
}

/** @param {'hold' | 'release'} act @param {import('../lib/protocol').HoldBody | import('../lib/protocol').ReleaseBody} body */
async function send(act, body) {
  try {
    await request('/api/camera/' + act, { method: 'POST', json: body, timeoutMs: ANSWER_MS, keepalive: true });
  } catch (error) {
    if (act === 'hold' && held.value) {
      letGo();
      tell(error instanceof ApiError ? error : new ApiError('internal', String(error)));
    }
  }
}

addEventListener('blur', letGo);
addEventListener('pagehide', letGo);
document.addEventListener('visibilitychange', () => document.visibilityState !== 'visible' && letGo());
