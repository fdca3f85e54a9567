// The pupil's page: code or link → name → waiting → class → ended. Wires the attendance to what is seen.

import { ApiError } from '../lib/api.js';
import { Attendance } from '../lib/attendance.js';
import { Backoff } from '../lib/backoff.js';
import { bare, isWhole, pretty } from '../lib/code.js';
import { Captions } from './captions.js';
import { playChime } from './chime.js';
import { Complaint } from './complaint.js';
import { Hand } from './hand.js';
import { leaveLockScreen, showOnLockScreen } from './lock_screen.js';
import { announce, closeSheet, el, putWords, say, sheet, showError, words } from './page.js';
import { fillQuality, showLevel, wireWish } from './quality.js';
import { Questions } from './question.js';
import { wireReactions } from './reactions.js';
import { Speaking } from './speaking.js';
import { fullScreen, Stage } from './stage.js';
import { TalkCard } from './talk.js';

/** @typedef {import('../lib/meter.js').Sample} Sample */
/** @typedef {import('../lib/protocol').LessonView} LessonView */
/** @typedef {import('../lib/protocol').You} You */

const SECTIONS = ['join', 'waiting', 'lobby', 'class', 'ended', 'refused'];
/** What may be the matter with a code. */
const CODE_PROBLEMS = ['code-short', 'code-wrong', 'code-throttled'];
/** A connection that takes longer than this gets a sentence. */
const SLOW_MS = 4000;

const root = document.documentElement;
const link = (/^\/j\/([^/?#]+)/.exec(location.pathname) || [])[1] || null;
const attendance = new Attendance();
const stage = new Stage();
const hand = new Hand(attendance);
const questions = new Questions(attendance);
const captions = new Captions();
const talk = new TalkCard(attendance);
const complaint = new Complaint(attendance, () => ({
  stage,
  notice: attendance.notice,
  sample: lastSample,
  isLost: line.state === 'lost',
  isInRoom: attendance.isInRoom,
}));
const speaking = new Speaking(talk);
/** Whether the room has not said yet what it knows of this page, on a new connection. */
let isNew = true;

/** @type {Promise<LessonView> | null} */
let joining = null;
let joiningKey = '';
let isEntering = false;
let line = { state: 'none', sinceMs: /** @type {number | null} */ (null), at: 0 };
let endedReason = '';
/** @type {ApiError | null} */
let refusal = null;
/** @type {ApiError | null} */
let joinError = null;
/** @type {Sample | null} */
let lastSample = null;
let bytesBefore = 0;

/** @param {string} phase */
function showPhase(phase) {
  const was = root.dataset.phase;
  root.dataset.phase = phase;
  for (const id of SECTIONS) el(id).hidden = id !== phase;
  closeSheet();
  refresh();
  if (isAttending()) keepAwake();
  else letSleep();
  if (was === phase || was === 'loading') return;
  window.scrollTo(0, 0);
  const title = document.querySelector('#' + phase + ' h1');
  if (title instanceof HTMLElement) title.focus({ preventScroll: true });
}

/** Put every word again: the phase or the language has changed. */
function refresh() {
  setEntering(isEntering);
  if (!words.isLoaded) return; // the French that the page came with stands
  putWords();
  const phase = root.dataset.phase || 'join';
  const room = attendance.view ? attendance.view.room_name : '';
  const title = { join: 'join.page', waiting: 'waiting.page', lobby: 'waiting.page', class: 'class.page', ended: 'ended.page' }[phase] || 'join.page';
  document.title = words.t(room || title === 'join.page' || title === 'ended.page' ? title : 'join.page', { room });
  say(el('room-name'), phase === 'join' || phase === 'refused' ? '' : room);
  el('join-room').hidden = !room || !link;
  say(el('join-room'), room);
  const canWait = link !== null;
  if (endedReason) {
    say(el('ended-title'), words.t('ended.' + endedReason));
    const isOver = endedReason === 'lesson-ended';
    say(el('ended-lead'), words.t('ended.' + endedReason + (isOver && canWait ? '.again' : '.lead')));
  }
  say(el('again'), words.t(canWait ? 'ended.again.link' : 'ended.again.code'));
  say(el('retry'), words.t(refusal && refusal.code === 'link-wrong' ? 'refused.code' : 'refused.retry'));
  if (refusal) showError(el('refused-words'), refusal);
  showJoinError(joinError);
  hand.show();
  questions.show();
  captions.show();
  talk.show();
  tick();
}

// --- join ----------------------------------------------------------------------------------------------------------

/** Ask for the ticket once for each key, as soon as it is known: *Entrer* then finds it. @param {string} key */
function join(key) {
  if (joining && joiningKey === key) return joining;
  joiningKey = key;
  joining = attendance.join(link ? { link: key } : { code: key });
  joining.then(
    () => refresh(),
    () => {
      if (joiningKey === key) joining = null;
    },
  );
  return joining;
}

/** @param {ApiError | null} error */
function showJoinError(error) {
  joinError = error;
  const ofCode = error && isOfCode(error) ? error : null;
  const other = ofCode ? null : error;
  el('code-problem').hidden = !ofCode;
  if (ofCode && ofCode.code === 'code-short') el('code-problem').textContent = words.t('join.code.short');
  else if (ofCode) showError(el('code-problem'), ofCode);
  if (ofCode && ofCode.code !== 'code-throttled') el('code').setAttribute('aria-invalid', 'true');
  else el('code').removeAttribute('aria-invalid');
  el('join-problem').hidden = !other;
  if (other) showError(el('join-problem'), other);
}

/** Whether it is told beside the code, where something is to be mended or waited for. @param {ApiError} error */
function isOfCode(error) {
  return !link && CODE_PROBLEMS.indexOf(error.code) >= 0;
}

/** @param {boolean} is */
function setEntering(is) {
  isEntering = is;
  el('enter').setAttribute('aria-disabled', String(is));
  if (words.isLoaded) say(/** @type {Element} */ (el('enter').firstElementChild), words.t(is ? 'join.entering' : 'join.enter'));
}

/** @param {unknown} error */
function asApiError(error) {
  return error instanceof ApiError ? error : new ApiError('internal', String(error));
}

async function enter() {
  if (isEntering) return;
  const code = /** @type {HTMLInputElement} */ (el('code'));
  if (!link && !isWhole(code.value)) {
    showJoinError(new ApiError('code-short', 'the code is not whole'));
    code.focus();
    return;
  }
  showJoinError(null);
  setEntering(true);
  const inRoom = /** @type {HTMLInputElement} */ (document.querySelector('input[name=inroom][value=yes]')).checked;
  stage.setMuted(inRoom);
  try {
    await join(link || bare(code.value));
    attendance.enter(/** @type {HTMLInputElement} */ (el('name')).value.trim(), inRoom);
  } catch (error) {
    const known = asApiError(error);
    if (known.code === 'link-wrong') refuse(known);
    else showJoinError(known);
    if (isOfCode(known)) code.focus();
  }
  setEntering(false);
}

/** @param {ApiError} error */
function refuse(error) {
  refusal = error;
  stage.clear();
  showPhase('refused');
}

function wireJoin() {
  const code = /** @type {HTMLInputElement} */ (el('code'));
  el('code-field').hidden = link !== null;
  code.addEventListener('input', () => {
    const atEnd = code.selectionStart === code.value.length;
    const shown = pretty(code.value);
    if (atEnd && shown !== code.value) code.value = shown;
    showJoinError(null);
    if (isWhole(code.value)) join(bare(code.value)).catch((error) => showJoinError(asApiError(error)));
  });
  el('join-form').addEventListener('submit', (event) => {
    event.preventDefault();
    enter();
  });
  for (const radio of Array.from(document.querySelectorAll('input[name=inroom]'))) {
    radio.addEventListener('change', markChosen);
  }
  markChosen();
  el('retry').addEventListener('click', () => {
    if (refusal && refusal.code === 'link-wrong') location.assign('/');
    else location.reload();
  });
  el('again').addEventListener('click', () => {
    if (!link) location.assign('/');
    else waitAgain();
  });
}

function markChosen() {
  for (const radio of Array.from(document.querySelectorAll('input[name=inroom]'))) {
    const input = /** @type {HTMLInputElement} */ (radio);
    /** @type {HTMLElement} */ (input.parentElement).classList.toggle('chosen', input.checked);
    if (input.value === 'yes') el('inroom-hint').hidden = !input.checked;
  }
}

async function waitAgain() {
  try {
    await attendance.waitForNext();
  } catch (error) {
    refuse(asApiError(error));
  }
}

// --- what the attendance tells -------------------------------------------------------------------------------------

/** @template T @param {string} name @param {(detail: T) => void} handler */
function on(name, handler) {
  attendance.addEventListener(name, (event) => handler(/** @type {CustomEvent<T>} */ (event).detail));
}

function wireAttendance() {
  attendance.output = () => stage.output();
  attendance.shownFps = (track) => stage.shownFps(track);
  on('view', (/** @type {LessonView} */ view) => {
    if (view.phase === 'ended' && root.dataset.phase === 'join') {
      joining = null; // the form was left open past the lesson: the next key, or the same link, opens the next one
      if (link) setTimeout(() => join(link).catch(() => undefined), 1000);
    }
    refresh();
  });
  on('phase', (/** @type {{phase: string, reason: string}} */ { phase, reason }) => {
    endedReason = reason;
    el('ended').dataset.reason = reason;
    if (phase !== 'class') {
      setLine('none', null);
      stage.clear();
      stage.take(null);
      if (fullScreen.isOn()) fullScreen.toggle();
      hand.take(null);
      talk.take(null);
      captions.clear();
      complaint.forget();
    }
    if (phase === 'ended') questions.clear();
    if (phase === 'class') {
      showOnLockScreen({
        title: attendance.view ? attendance.view.room_name : '',
        isMuted: () => stage.isMuted,
        setMuted: (isMuted) => stage.setMuted(isMuted),
      });
    } else leaveLockScreen();
    showPhase(phase);
  });
  on('tracks', (/** @type {{tracks: any, connection: import('../lib/whep.js').WhepConnection}} */ told) => {
    if (lastSample) bytesBefore += lastSample.bytes;
    lastSample = null;
    window.estrade = { connection: told.connection.pc };
    stage.show(told.tracks);
  });
  on('line', (/** @type {{state: string, sinceMs: number | null}} */ told) => {
    const was = line.state;
    setLine(told.state, told.sinceMs);
    if (was !== 'lost' && told.state === 'lost') announce(words.t('class.line.lost-announce'));
    if (was === 'lost' && told.state === 'connected') announce(words.t('class.line.back'));
  });
  on('notice', (/** @type {any} */ notice) => {
    stage.take(notice);
    tick();
  });
  on('sending', () => {
    stage.takeSending(attendance.sending);
    tick();
  });
  on('greeted', () => (isNew = true));
  on('you', (/** @type {You} */ you) => {
    const phase = you.is_admitted ? 'class' : 'lobby';
    if (root.dataset.phase !== phase && isAttending()) showPhase(phase);
    hand.take(you);
    talk.take(you);
    if (!isNew || !you.is_admitted) return;
    isNew = false;
    hand.resume();
    questions.resume();
  });
  on('talk', (/** @type {import('../lib/protocol').Talk} */ told) => talk.told(told));
  on('question-state', (/** @type {import('../lib/protocol').QuestionState} */ told) => questions.take(told));
  on('caption', (/** @type {import('../lib/protocol').Caption} */ caption) => captions.take(caption));
  on('tiles', (/** @type {unknown} */ data) => stage.takeTiles(data));
  on('sample', (/** @type {Sample} */ sample) => {
    lastSample = sample;
    stage.measure(sample);
    complaint.look();
    tick();
  });
  on('refused', (/** @type {ApiError} */ error) => refuse(error));
}

/** @param {string} state @param {number | null} sinceMs */
function setLine(state, sinceMs) {
  if (state !== line.state) line = { state, sinceMs, at: Date.now() };
  line.sinceMs = sinceMs;
  root.dataset.line = state;
  tick();
}

/** Words that carry a time or follow several facts; once a second and on change. */
function tick() {
  if (!words.isLoaded) return;
  const now = Date.now();
  const phase = root.dataset.phase;
  const { askingAt } = attendance;
  const askingText = askingAt && now - askingAt > 2000 ? words.t('ticket.asking', { time: words.duration((now - askingAt) / 1000) }) : '';
  if (phase === 'waiting') {
    const { events } = attendance.ticket;
    const view = attendance.view;
    const lostAt = events && events.lostAt;
    // A line that mends itself in two seconds is no news to a child who waits.
    const lostText = lostAt && now - lostAt > 2000 ? words.t('waiting.line-lost', { time: words.duration((now - lostAt) / 1000) }) : '';
    say(el('waiting-line'), askingText || lostText || (view && !view.room_online ? words.t('waiting.room-off') : ''));
  }
  if (phase === 'lobby') say(el('lobby-line'), attendance.isKnocking() ? '' : words.t('class.line.slow'));
  if (phase !== 'class') return;
  const notice = attendance.notice;
  const isLost = line.state === 'lost';
  stage.tick(isLost);
  let banner = '';
  if (isLost && line.sinceMs !== null) banner = words.t('class.line.lost', { time: words.duration((now - line.sinceMs) / 1000) });
  else if (line.state === 'connecting' && askingText) banner = askingText;
  else if (line.state === 'connecting' && now - line.at > SLOW_MS) banner = words.t('class.line.slow');
  say(el('line-banner'), banner);
  el('line-banner').hidden = banner === '';
  el('sound-ask').hidden = !stage.isBlocked;
  showLevel(lastSample, isLost);
  const isPaused = notice ? notice.paused : !!(attendance.view && attendance.view.paused);
  let sound = 'on';
  if (isLost) sound = 'lost';
  else if (stage.isBlocked) sound = 'blocked';
  else if (stage.isMuted) sound = attendance.isInRoom ? 'in-room' : 'muted';
  else if (line.state !== 'connected') sound = 'waiting';
  else if (isPaused) sound = 'paused';
  else if (notice && !notice.on_air.sound) sound = 'teacher';
  else if (lastSample && lastSample.tracks.sound.packets === 0) sound = 'lost';
  el('sound-fact').dataset.state = sound === 'on' ? 'on' : sound === 'waiting' ? 'waiting' : 'off';
  say(el('sound-words'), words.t('class.sound.' + sound));
  const standIn = notice !== null && notice.stand_in.indexOf('sound') >= 0;
  const isFrozen = notice !== null && !!notice.frozen && notice.on_air.board;
  const text = isPaused ? words.t('class.paused') : standIn ? words.t('class.sound.standin') : isFrozen ? words.t('class.frozen') : '';
  say(el('class-words'), text);
  el('class-words').hidden = text === '';
  speaking.show(!!notice && !!notice.pupil_speaks && !isLost);
  const isRecorded = !!(notice && notice.recording);
  if (isRecorded && el('recording-fact').hidden) announce(words.t('class.recording'));
  el('recording-fact').hidden = !isRecorded;
  const isSilenced = stage.isMuted || stage.volume === 0;
  el('mute').setAttribute('aria-pressed', String(isSilenced));
  say(/** @type {Element} */ (el('mute').lastElementChild), words.t(isSilenced ? 'class.unmute' : 'class.mute'));
  if (!el('quality-sheet').hidden)
    fillQuality(lastSample, bytesBefore + (lastSample ? lastSample.bytes : 0), isLost ? null : attendance.sending);
}

// --- in class ------------------------------------------------------------------------------------------------------

/** @param {HTMLElement} told where to say how it went */
async function trySound(told) {
  say(told, words.t('waiting.try.playing'));
  try {
    await playChime();
    say(told, words.t('waiting.try.done'));
  } catch (error) {
    say(told, words.t('waiting.try.failed'));
  }
}

function wireClass() {
  stage.addEventListener('sound', () => tick());
  el('sound-ask').addEventListener('click', () => stage.unblock());
  el('mute').addEventListener('click', () => stage.setMuted(!(stage.isMuted || stage.volume === 0)));
  const volume = /** @type {HTMLInputElement} */ (el('volume'));
  volume.addEventListener('input', () => {
    const value = Number(volume.value) / 100;
    if (stage.isMuted && value > 0) stage.setMuted(false);
    stage.setVolume(value);
  });
  stage.addEventListener('sound', () => {
    volume.value = String(stage.isMuted ? 0 : Math.round(stage.volume * 100));
  });
  el('swap').addEventListener('click', () => stage.swap());
  const full = el('full');
  full.hidden = !fullScreen.isPossible();
  full.addEventListener('click', () => fullScreen.toggle());
  for (const name of ['fullscreenchange', 'webkitfullscreenchange'])
    document.addEventListener(name, () => {
      full.setAttribute('aria-pressed', String(fullScreen.isOn()));
    });
  sheet('quality', 'quality-sheet', () => tick());
  wireWish((wish) => attendance.wishFor(wish));
  wireReactions(attendance);
  el('try-sound').addEventListener('click', () => trySound(el('try-words')));
  el('lobby-try').addEventListener('click', () => trySound(el('lobby-try-words')));
  el('hear-try').addEventListener('click', () => trySound(el('hear-found')));
}

/** Whether the pupil is in class, or before its door. */
function isAttending() {
  return ['class', 'lobby'].indexOf(root.dataset.phase || '') >= 0;
}

/** What keeps the screen lit. @type {{released: boolean, release: () => Promise<void>} | null} */
let awake = null;

/** Keep the screen lit while in class, where the browser knows how. */
async function keepAwake() {
  const lock = /** @type {any} */ (navigator).wakeLock;
  if (!lock || document.visibilityState !== 'visible' || (awake && !awake.released)) return;
  try {
    awake = await lock.request('screen');
  } catch (error) {
    // refused on a low battery: the pupil's own setting stands
  }
  if (!isAttending()) letSleep(); // it ended meanwhile
}

/** Nothing is shown any more for which the screen should stay lit. */
function letSleep() {
  if (awake) awake.release().catch(() => undefined);
  awake = null;
}

// --- the page's own life -------------------------------------------------------------------------------------------

function wireLife() {
  document.addEventListener('click', () => attendance.touched());
  document.addEventListener('visibilitychange', () => {
    if (document.visibilityState !== 'visible') return;
    attendance.wake();
    if (root.dataset.phase === 'class') {
      keepAwake();
      stage.play();
    }
  });
  window.addEventListener('online', () => attendance.reroute());
  const network = /** @type {any} */ (navigator).connection;
  if (network && network.addEventListener) {
    let type = network.type;
    network.addEventListener('change', () => {
      if (network.type !== type) attendance.reroute(); // it tells of its guesses at the speed, too
      type = network.type;
    });
  }
  window.addEventListener('pagehide', () => {
    talk.release({ keepalive: true });
    attendance.leave({ keepalive: true });
  });
  window.addEventListener('pageshow', (event) => {
    if (event.persisted) location.reload(); // kept in memory by the browser, but its connection is gone
  });
  el('lang').addEventListener('click', () => {
    words.choose(words.lang === 'fr' ? 'en' : 'fr').then(refresh, () => undefined);
  });
  setInterval(tick, 1000);
}

async function begin() {
  wireJoin();
  wireAttendance();
  wireClass();
  wireLife();
  if (link) join(link).catch((error) => (asApiError(error).code === 'link-wrong' ? refuse(asApiError(error)) : undefined));
  else attendance.warm();
  /** @type {HTMLButtonElement} */ (el('enter')).disabled = false;
  showPhase('join');
  if (typeof RTCPeerConnection === 'undefined') refuse(new ApiError('browser-too-old', 'no RTCPeerConnection'));
  const retry = new Backoff(500, 8000);
  while (!words.isLoaded) {
    await words.load().catch(() => retry.wait());
  }
  refresh();
}

begin();
