// What IT's page knows: who is signed in, the rooms as last reported, what happened in one of them; and its acts.

import { computed, signal } from '@preact/signals';
import { ApiError, json, request } from '../lib/api.js';
import { Words } from '../lib/i18n.js';
import { EventLine } from '../lib/sse.js';
import { route } from './route.js';
import { isLive, kindOf, KINDS } from './room_words.js';

/** @typedef {import('../lib/protocol').ActAnswer} ActAnswer */
/** @typedef {import('../lib/protocol').RoomView} RoomView */
/** @typedef {import('../lib/protocol').RoomsView} RoomsView */
/** @typedef {import('../lib/protocol').EventView} EventView */
/** @typedef {import('../lib/protocol').EventsView} EventsView */
/** @typedef {import('../lib/protocol').SessionView} SessionView */
/** @typedef {{view: RoomView, at: number}} Known a room, and performance.now() when it was told */

/** undefined: not known yet; null: nobody. @type {import('@preact/signals').Signal<SessionView | null | undefined>} */
export const session = signal(undefined);
/** @type {import('@preact/signals').Signal<Map<string, Known> | null>} */
export const rooms = signal(null);
/** Since when the centre does not answer; wall clock. @type {import('@preact/signals').Signal<number | null>} */
export const lostAt = signal(null);
/** Why the list cannot be had. @type {import('@preact/signals').Signal<ApiError | null>} */
export const listError = signal(null);
/** Of the room that is open. @type {import('@preact/signals').Signal<{room: string, events: EventView[] | null, error: ApiError | null}>} */
export const history = signal({ room: '', events: null, error: null });
/** What came of the last act; `proposal` is the id of a start that it proposed. @type {import('@preact/signals').Signal<{room: string, act: string, error: ApiError | null, at: number, proposal: string} | null>} */
export const outcome = signal(null);
export const busy = signal('');
export const now = signal(Date.now());
const language = signal(0);

const words = new Words();
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

/** Events of one room that are kept on the page. */
const MOST_EVENTS = 200;

/** @type {EventLine | null} */
let line = null;

// --- lists made from what is known ---------------------------------------------------------------------------------

/** @param {string} text */
const plain = (text) => text.normalize('NFD').replace(/[\u0300-\u036f]/g, '').toLowerCase();

/** Every room, worst first. */
export const sorted = computed(() => {
  const all = Array.from((rooms.value || new Map()).values(), (known) => known.view);
  const rank = new Map(all.map((room) => [room.id, KINDS.indexOf(kindOf(room))]));
  const collator = new Intl.Collator(words.lang, { numeric: true });
  return all.sort((a, b) => (rank.get(a.id) || 0) - (rank.get(b.id) || 0) || collator.compare(a.name, b.name));
});

/** How many of these rooms each filter shows. @param {RoomView[]} list */
export function countsOf(list) {
  /** @type {Record<string, number>} */
  const found = { all: list.length, live: 0, problem: 0, offline: 0 };
  for (const room of list) for (const name of shownUnder(room)) found[name] += 1;
  return found;
}

export const counts = computed(() => countsOf(sorted.value));

/** The filters a room is shown under. @param {RoomView} room */
function shownUnder(room) {
  const kind = kindOf(room);
  const names = [];
  if (isLive(room)) names.push('live');
  if (kind === 'bad' || kind === 'warning') names.push('problem');
  if (kind === 'offline' || kind === 'unknown') names.push('offline');
  return names;
}

/** The rooms that search and filter leave. */
export const shown = computed(() => {
  const { q, show } = route.value;
  const wanted = plain(q.trim());
  return sorted.value.filter(
    (room) =>
      (!show || shownUnder(room).includes(show)) && (!wanted || plain(room.name + ' ' + room.id + ' ' + room.territory).includes(wanted)),
  );
});

/** How the room answered the start that was proposed last; undefined while it has not. */
export const answered = computed(() => {
  const proposal = outcome.value && outcome.value.proposal;
  if (!proposal) return undefined;
  return (history.value.events || []).find((event) => event.kind === 'proposal.answered' && event.fact.proposal === proposal);
});

// --- signing in ----------------------------------------------------------------------------------------------------

/** @param {string} name @param {string} password @param {string | null} code @returns {Promise<ApiError | null>} */
export async function signIn(name, password, code) {
  try {
    session.value = await json('/api/v1/session', { json: { name, password, code } });
    follow();
    return null;
  } catch (error) {
    return asApiError(error);
  }
}

export async function signOut() {
  await request('/api/v1/session', { method: 'DELETE' }).catch(() => undefined);
  signedOut();
}

export function signedOut() {
  if (line) line.close();
  line = null;
  rooms.value = null;
  history.value = { room: '', events: null, error: null };
  outcome.value = null;
  lostAt.value = null;
  session.value = null;
}

/** @param {unknown} error */
export function asApiError(error) {
  return error instanceof ApiError ? error : new ApiError('internal', String(error));
}

// --- rooms ---------------------------------------------------------------------------------------------------------

/** @param {RoomView} view */
function take(view) {
  const next = new Map(rooms.value || []);
  next.set(view.id, { view, at: performance.now() });
  rooms.value = next;
}

/** Take the list, then follow what changes after it. */
async function follow() {
  if (session.value && session.value.second_step === 'missing') return;
  /** @type {RoomsView} */
  let list;
  try {
    list = await json('/api/v1/rooms');
  } catch (error) {
    const known = asApiError(error);
    if (known.status === 401) signedOut();
    else {
      listError.value = known;
      setTimeout(() => session.value && follow(), 3000);
    }
    return;
  }
  listError.value = null;
  const at = performance.now();
  rooms.value = new Map(list.rooms.map((view) => [view.id, { view, at }]));
  if (line) line.close();
  const events = (line = new EventLine('/api/v1/events' + (list.cursor ? '?since=' + encodeURIComponent(list.cursor) : '')));
  events.addEventListener('line-open', () => (lostAt.value = null));
  events.addEventListener('line-lost', (event) => (lostAt.value = /** @type {CustomEvent<{sinceMs: number}>} */ (event).detail.sinceMs));
  events.addEventListener('line-refused', () => signedOut());
  events.addEventListener('room', (event) => take(/** @type {CustomEvent<RoomView>} */ (event).detail));
  events.addEventListener('event', (event) => addEvent(/** @type {CustomEvent<EventView>} */ (event).detail));
  events.open();
}

/** Seconds since the room last said anything, counted on. @param {string} id */
export function reportedAgeS(id) {
  now.value;
  const known = rooms.value && rooms.value.get(id);
  if (!known || known.view.reported_age_s === null) return null;
  return known.view.reported_age_s + (performance.now() - known.at) / 1000;
}

// --- one room ------------------------------------------------------------------------------------------------------

/** @param {EventView} event */
function addEvent(event) {
  const { room, events } = history.value;
  if (event.room !== room || !events || events.some((known) => known.id === event.id)) return;
  history.value = { room, events: [event, ...events].slice(0, MOST_EVENTS), error: null };
}

/** @param {string} room */
export async function openRoom(room) {
  outcome.value = null;
  if (history.value.room !== room) history.value = { room, events: null, error: null };
  try {
    /** @type {EventsView} */
    const told = await json('/api/v1/rooms/' + encodeURIComponent(room) + '/events');
    if (history.value.room === room) history.value = { room, events: told.events, error: null };
  } catch (error) {
    if (history.value.room === room) history.value = { room, events: history.value.events, error: asApiError(error) };
  }
}

/** @param {string} room @param {'stop' | 'mute' | 'propose' | 'seen'} act @param {unknown} [body] */
export async function actOn(room, act, body) {
  if (busy.value) return;
  busy.value = act;
  outcome.value = null;
  /** @type {ApiError | null} */
  let error = null;
  let proposal = '';
  try {
    /** @type {ActAnswer & {proposal?: string}} */
    const answer = await json('/api/v1/rooms/' + encodeURIComponent(room) + '/' + act, { method: 'POST', json: body || {}, timeoutMs: 12000 });
    proposal = answer.proposal || '';
  } catch (problem) {
    error = asApiError(problem);
    if (error.status === 401) signedOut();
  }
  busy.value = '';
  outcome.value = { room, act, error, at: Date.now(), proposal };
}

/** Find out who is signed in, as often as it takes, and follow. */
export async function askWhoItIs() {
  try {
    session.value = await json('/api/v1/session');
    follow();
  } catch (error) {
    const known = asApiError(error);
    if (known.status === 401 || known.status === 403) session.value = null;
    else {
      listError.value = known;
      setTimeout(askWhoItIs, 3000);
    }
  }
}

/** Load the words, find out who is signed in, and follow. */
export async function begin() {
  setInterval(() => (now.value = Date.now()), 1000);
  document.addEventListener('visibilitychange', () => document.visibilityState === 'visible' && line && line.hurry());
  window.addEventListener('online', () => line && line.hurry());
  askWhoItIs();
  while (!words.isLoaded) await words.load().catch(() => new Promise((resolve) => setTimeout(resolve, 1000)));
}
