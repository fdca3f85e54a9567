// What the panel knows and what it can do: the newest view, the line to the room's own program, and the acts.

import { computed, signal } from '@preact/signals';
import { ApiError, json } from '../lib/api.js';
import { Words } from '../lib/i18n.js';
import { EventLine } from '../lib/sse.js';

/** @typedef {import('../lib/protocol').PanelView} PanelView */
/** @typedef {import('../lib/protocol').PanelLevel} PanelLevel */
/** @typedef {import('../lib/protocol').DeviceReport} DeviceReport */

/** @type {import('@preact/signals').Signal<PanelView | null>} */
export const view = signal(null);
/** @type {import('@preact/signals').Signal<PanelLevel | null>} */
export const level = signal(null);
/** Since when the room's program has not answered; wall clock. @type {import('@preact/signals').Signal<number | null>} */
export const lostAt = signal(null);
/** Whether this browser has not shown the token of this boot: the panel opens from the room's own screen. */
export const isShut = signal(false);
/** The last act that was refused. @type {import('@preact/signals').Signal<ApiError | null>} */
export const refusal = signal(null);
/** Names of the acts that are under way. @type {import('@preact/signals').Signal<ReadonlySet<string>>} */
const busy = signal(new Set());
/** Wall clock, each second. */
export const now = signal(Date.now());
/** Grows with each change of language, so that what was read through `t` is read again. */
const language = signal(0);

const words = new Words(['panel']);
words.addEventListener('change', () => {
  language.value += 1;
  document.documentElement.lang = words.lang;
});

/** @param {string} key @param {import('../lib/i18n.js').Params} [params] */
export const t = (key, params) => (language.value, words.t(key, params));
/** @param {string} key @param {number} n @param {import('../lib/i18n.js').Params} [params] */
export const tn = (key, n, params) => (language.value, words.tn(key, n, params));
/** The words themselves, for dates and durations; subscribes as `t` does. */
export const say = () => (language.value, words);
export const switchLanguage = () => words.choose(words.lang === 'fr' ? 'en' : 'fr').catch(() => undefined);

/** performance.now() when the newest view came: its times count on from there. */
let viewAt = 0;

/** @param {PanelView} next */
function take(next) {
  viewAt = performance.now();
  view.value = next;
  lostAt.value = null;
  if (next.state === 'idle') level.value = null;
}

/** Seconds of the running lesson, counted on between views. */
export const elapsedS = computed(() => {
  now.value;
  const { value } = view;
  return value && value.elapsed_s !== null ? value.elapsed_s + (performance.now() - viewAt) / 1000 : null;
});

/** How many seconds ago something was, that was `seconds` ago when the newest view came. @param {number} seconds */
export const sinceS = (seconds) => (now.value, seconds + (performance.now() - viewAt) / 1000);

/** Seconds that a proposal still stands. */
export const proposalS = computed(() => {
  now.value;
  const proposal = view.value && view.value.proposal;
  return proposal ? Math.max(0, proposal.remaining_s - (performance.now() - viewAt) / 1000) : 0;
});

/** Seconds for which the code of a shared screen can still be used. */
export const screenS = computed(() => {
  now.value;
  const left = (view.value && view.value.screen && view.value.screen.remaining_s) || 0;
  return Math.max(0, left - (performance.now() - viewAt) / 1000);
});

export const isRunning = computed(() => !!view.value && ['preparing', 'live', 'degraded'].includes(view.value.state));

/** Whether an act of this name is under way. @param {string} name */
export const isBusy = (name) => busy.value.has(name);

/** The newest act of each name that is under way, and what it asks for. @type {Map<string, {wish: string, done: Promise<boolean>}>} */
const underWay = new Map();
/** Number of the last act that was sent, and of the last sent one of those that were answered. */
let sent = 0;
let answered = 0;

/**
 * Do something, and show what it led to at once; the live events tell the same a moment later.
 *
 * None is dropped: acts of one name go one after the other, those of different names side by side, so that muting does
 * not wait for a pause. A second touch that wishes the same as the one under way is the same act.
 *
 * @param {string} name
 * @param {string} path
 * @param {unknown} body
 * @param {number} [timeoutMs]
 * @returns {Promise<boolean>} true once it is done, false when it was refused
 */
function act(name, path, body, timeoutMs) {
  const before = underWay.get(name);
  const wish = JSON.stringify([path, body]);
  if (before && before.wish === wish) return before.done;
  const done = before ? before.done.then(() => send(path, body, timeoutMs)) : send(path, body, timeoutMs);
  const mine = { wish, done };
  underWay.set(name, mine);
  busy.value = new Set(underWay.keys());
  done.then(() => {
    if (underWay.get(name) !== mine) return;
    underWay.delete(name);
    busy.value = new Set(underWay.keys());
  });
  return done;
}

/** @param {string} path @param {unknown} body @param {number} [timeoutMs] @returns {Promise<boolean>} */
async function send(path, body, timeoutMs = 8000) {
  const number = (sent += 1);
  refusal.value = null;
  try {
    /** @type {PanelView} */
    const next = await json(path, { method: 'POST', json: body, timeoutMs });
    // An answer that was overtaken by a later act's may be older than what is shown.
    if (number > answered) {
      answered = number;
      take(next);
    }
    return true;
  } catch (error) {
    refusal.value = error instanceof ApiError ? error : new ApiError('internal', String(error));
    return false;
  }
}

export const start = () => act('start', '/api/lesson/start', {});
export const resume = () => act('resume', '/api/lesson/resume', {});
export const dropInterrupted = () => act('drop', '/api/lesson/drop', {});
export const stop = () => act('stop', '/api/lesson/stop', {});
/** @param {boolean} paused */
export const setPaused = (paused) => act('pause', '/api/lesson/pause', { paused });
/** @param {boolean} frozen */
export const setFrozen = (frozen) => act('freeze', '/api/lesson/freeze', { frozen });
/** @param {boolean} on */
export const setFraming = (on) => act('framing', '/api/lesson/framing', { on });
/** @param {boolean} on */
export const setRecording = (on) => act('recording', '/api/recording', { on });
/** @param {string} id */
export const shareRecording = (id) => act('share ' + id, '/api/recording/share', { id, language: words.lang });
/** @param {string} id */
export const deleteRecording = (id) => act('delete ' + id, '/api/recording/delete', { id });
export const offerScreen = () => act('screen', '/api/screen', {});
export const endScreen = () => act('screen', '/api/screen/end', {});
/** @param {'camera' | 'board' | 'sound'} track @param {boolean} isOn */
export const setOnAir = (track, isOn) => act(track, '/api/lesson/on-air', { [track]: isOn });
/** @param {string} device */
export const retry = (device) => act('retry', '/api/device/retry', { device });
/** @param {string} id */
export const takeMicrophone = (id) => act('microphone', '/api/lesson/microphone', { id });
/** @param {string} id */
export const declineMicrophone = (id) => act('microphone', '/api/lesson/microphone/not-now', { id });
/** @param {string} id @param {boolean} accept */
export const answerProposal = (id, accept) => act('proposal', '/api/proposal', { id, accept });
/** Opening the devices, some seconds of what they give, and a sound that is played. */
const NORMAL_MS = 30000;
export const recordNormal = () => act('normal', '/api/normal', {}, NORMAL_MS);

/** Go to a stored view of the camera; `toCheck`: to look at it while pupils do not. @param {string} preset @param {boolean} [toCheck] */
export const recall = (preset, toCheck) => act('recall ' + preset, '/api/camera/recall', { preset, to_check: !!toCheck });
/** @param {string} preset */
export const storeView = (preset) => act('store', '/api/camera/store', { preset });
/** @param {string} name */
export const confirmView = (name) => act('confirm', '/api/camera/confirm', { view: name });

export const test = () => act('test', '/api/selftest', {});
export const stopTest = () => act('test', '/api/selftest/stop', {});
export const closeTest = () => act('test', '/api/selftest/close', {});

/** Act on pupils, hands, questions or the door: `admit`, `take`, `remove`, `lock`… @param {string} what @param {object} body */
export const aboutPupils = (what, body) => act(what, '/api/audience/' + what, body);

/** @param {string} pin */
export const unlock = (pin) => act('unlock', '/api/unlock', { pin });
export const lock = () => act('hide', '/api/lock', {});

/** Load the words and follow the room, for as long as the page lives. */
export function begin() {
  const line = new EventLine('/api/events');
  line.addEventListener('panel', (event) => take(/** @type {CustomEvent<PanelView>} */ (event).detail));
  line.addEventListener('level', (event) => (level.value = /** @type {CustomEvent<PanelLevel>} */ (event).detail));
  line.addEventListener('line-lost', (event) => {
    lostAt.value = /** @type {CustomEvent<{sinceMs: number}>} */ (event).detail.sinceMs;
    level.value = null;
  });
  line.addEventListener('line-refused', (event) => {
    isShut.value = /** @type {CustomEvent<{error: ApiError}>} */ (event).detail.error.code === 'panel-token';
    if (!isShut.value) setTimeout(() => location.reload(), 5000); // the room was restarted
  });
  line.open();
  setInterval(() => (now.value = Date.now()), 1000);
  document.addEventListener('visibilitychange', () => document.visibilityState === 'visible' && line.hurry());
  const loadWords = () => words.load().catch(() => setTimeout(loadWords, 1000));
  return loadWords();
}
