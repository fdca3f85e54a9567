// A room in words: which kind of state it is in, its top line, its events. Pure: facts in, sentences out.

import { CHECK_NAMES } from './check_names.js';

/** @typedef {import('../lib/protocol').RoomView} RoomView */
/** @typedef {import('../lib/protocol').DeviceReport} DeviceReport */
/** @typedef {import('../lib/protocol').EventView} EventView */
/** @typedef {import('../lib/protocol').Check} Check */
/** @typedef {import('../lib/i18n.js').Words} Words */

/** Worst first. */
export const KINDS = ['bad', 'offline', 'warning', 'unknown', 'live', 'ok', 'off'];

/** Why a room says that its lesson ended, where it was from here; `STOPPED_FROM_AFAR` of the protocol. */
const STOPPED_FROM_AFAR = 'stopped from the centre';
const RUNNING = ['preparing', 'live', 'degraded'];

/** @param {RoomView} room @returns {string} one of KINDS */
export function kindOf(room) {
  if (room.link === 'offline' || room.link === 'unknown' || room.link === 'off') return room.link;
  if (room.status === 'critical' || room.state === 'failed') return 'bad';
  if (room.status === 'warning' || room.link === 'late') return 'warning';
  return isRunning(room) ? 'live' : 'ok';
}

/** @param {RoomView} room */
export function isRunning(room) {
  return room.state !== null && RUNNING.includes(room.state);
}

/** Whether its lesson runs now, as far as is known; one that is ill may well. @param {RoomView} room */
export function isLive(room) {
  return isRunning(room) && !room.is_stale;
}

/** Shape of each kind, beside its colour and its word. @type {Record<string, string>} */
export const KIND_SIGN = { bad: '×', offline: '–', warning: '!', unknown: '?', live: '●', ok: '✓', off: '○' };

/** What the room does, in two or three words. @param {Words} words @param {RoomView} room */
export function shortState(words, room) {
  if (room.link !== 'online' && room.link !== 'late') return words.t('it.link.' + room.link);
  if (room.state === null) return words.t('it.state.none');
  if (isRunning(room) && room.paused) return words.t('it.state.paused');
  return words.t('it.state.' + room.state);
}

/** @param {string} at @param {number} nowMs */
function since(at, nowMs) {
  return Math.max(0, (nowMs - Date.parse(at)) / 1000);
}

/** The sentence for what ails a device. @param {Words} words @param {DeviceReport} device */
export function deviceWords(words, device) {
  if (!device.problem) return words.t('it.device.' + device.status);
  const key = 'panel.device.' + device.problem.code;
  return words.t(words.has(key) ? key : 'panel.device.device-failed');
}

/**
 * The room in one line: "En direct depuis 12 min, 8 élèves, caméra perdue depuis 40 s".
 *
 * @param {Words} words
 * @param {RoomView} room
 * @param {number} nowMs
 */
export function topLine(words, room, nowMs) {
  /** @type {string[]} */
  const parts = [];
  if (room.link !== 'online' && room.link !== 'late') {
    parts.push(words.t('it.top.' + room.link, { time: words.duration(since(room.link_since, nowMs)) }));
    return parts[0];
  }
  if (room.state === null) parts.push(words.t('it.state.none'));
  else if (isRunning(room)) {
    const time = room.lesson_started_at ? words.duration(since(room.lesson_started_at, nowMs)) : '';
    parts.push(time ? words.t('it.top.running', { time }) : words.t('it.state.' + room.state));
    parts.push(room.viewers ? words.tn('it.pupils', room.viewers) : words.t('it.pupils.none'));
    if (room.paused) parts.push(words.t('it.top.paused'));
    if (room.frozen) parts.push(words.t('it.top.frozen'));
    if (room.recording) parts.push(words.t('it.top.recording'));
    if (room.on_air && !room.on_air.sound) parts.push(words.t('it.top.muted'));
  } else parts.push(words.t('it.top.' + room.state));
  for (const device of room.devices)
    if (device.status === 'critical' || device.status === 'warning') {
      const key = device.problem && device.problem.code === 'device-lost' ? 'it.top.lost.' + device.role : 'it.top.device';
      parts.push(words.t(key, { device: words.t('role.' + device.role).toLowerCase(), time: words.duration(since(device.since, nowMs)) }));
    }
  if (room.link === 'late') parts.push(words.t('it.top.late'));
  return parts.join(', ');
}

/** What happened, in words. @param {Words} words @param {EventView} event */
export function eventWords(words, event) {
  const fact = /** @type {Record<string, any>} */ (event.fact);
  const role = fact.role ? words.t('role.' + fact.role) : '';
  switch (event.kind) {
    case 'lesson.started':
      return words.t('it.event.lesson.started.' + (['panel', 'proposal', 'resumed'].includes(fact.origin) ? fact.origin : 'panel'));
    case 'lesson.ended':
      return words.t(fact.reason === STOPPED_FROM_AFAR ? 'it.event.lesson.stopped' : 'it.event.lesson.ended', {
        duration: words.duration(fact.duration_s || 0),
        pupils: fact.viewers_most ? words.tn('it.pupils.most', fact.viewers_most) : words.t('it.pupils.none'),
      });
    case 'device.lost':
      return words.t('it.event.device.lost', { device: role });
    case 'device.back':
      return words.t('it.event.device.back', { device: role, time: words.duration(fact.away_s || 0) });
    case 'microphone.changed':
      return words.t('it.event.microphone.' + fact.reason, { device: fact.device });
    case 'viewer.joined':
      return words.t('it.event.viewer.joined');
    case 'viewer.removed':
      return words.t('it.event.viewer.removed');
    case 'viewer.left':
      return words.t('it.event.viewer.left', { time: words.duration(fact.stayed_s || 0) });
    case 'sending.stopped':
      return words.t('it.event.sending.stopped', { time: words.duration(fact.after_s || 0) });
    case 'proposal.answered':
      return words.t('it.event.proposal.' + answerOf(event));
    default:
      return words.t('it.event.other', { kind: event.kind });
  }
}

/** What became of a proposal, by the event that tells it. @param {EventView} event @returns {string} the end of a key */
export function answerOf(event) {
  const reason = String(event.fact.reason);
  return ['accepted', 'refused', 'expired'].includes(reason) ? reason : 'expired';
}

/** @type {Record<string, string>} */
const EVENT_KIND = { 'device.lost': 'bad', 'sending.stopped': 'bad', 'device.back': 'ok', 'microphone.changed': 'off', 'lesson.started': 'live', 'lesson.ended': 'off', 'proposal.answered': 'off' };

/** @param {EventView} event */
export const eventKind = (event) => EVENT_KIND[event.kind] || 'quiet';

/** What is looked at, in words; the id of one from a newer version. @param {Words} words @param {Check} check */
export function checkName(words, check) {
  const name = CHECK_NAMES[check.id];
  return name ? name[words.lang] : check.id;
}

/** A check's number with its unit; empty when it has none. @param {Words} words @param {Check} check */
export function valueWords(words, check) {
  if (check.value === null) return '';
  const n = words.number(check.value, { maximumFractionDigits: Math.abs(check.value) < 10 ? 2 : 1 });
  if (!check.unit) return n;
  const key = 'unit.of.' + check.unit;
  return words.has(key) ? words.t(key, { n }) : n + '\u00a0' + check.unit;
}
