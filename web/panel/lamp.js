// "7 of 8 hear and see you": who receives the teacher, who does not and why, in words, and what helps.

import { html } from 'htm/preact';
import { Icon } from './parts.js';
import { t, tn } from './store.js';

/** @typedef {import('../lib/protocol').PanelViewer} PanelViewer */

/** Nothing can be said of them yet, and nothing is wrong. */
const OPEN = ['nothing-said', 'unknown'];
/** Why somebody does not receive, the nearest to the teacher first: what helps most people is said. */
const WHYS = ['microphone', 'other-sound', 'silent', 'no-sound', 'no-report', 'blocked', 'muted', 'volume-0', 'no-picture', 'not-sent'];

/** How a pupil is, by one word: `fine`, why not, or why that cannot be said. @param {PanelViewer} viewer @returns {string} */
export function howIs(viewer) {
  if (!viewer.is_connected) return 'connecting';
  if (viewer.is_in_room) return 'in-room';
  if (viewer.hearing === 'not-heard') return viewer.why_deaf || 'no-sound';
  if (viewer.sees === false) return viewer.why_blind || 'no-picture';
  if (viewer.sees === null) return 'unknown';
  return viewer.hearing === 'heard' ? 'fine' : viewer.hearing;
}

/** The sign beside a pupil's name. @param {string} how */
export function signOf(how) {
  if (how === 'fine' || how === 'in-room') return 'ok';
  if (how === 'connecting' || OPEN.indexOf(how) >= 0) return 'waiting';
  return how === 'no-report' || how === 'no-sound' ? 'bad' : 'warning';
}

/** Who does not receive stands first, where the list has room for few; the others keep their places. @param {readonly PanelViewer[]} viewers */
export function inOrder(viewers) {
  const rank = (/** @type {PanelViewer} */ viewer) => ['bad', 'warning', 'waiting', 'ok'].indexOf(signOf(howIs(viewer)));
  return [...viewers].sort((one, other) => rank(one) - rank(other));
}

/**
 * The line above the names. Its words change only when the fact does, so that it is read aloud once. While the teacher
 * holds the sound back nobody hears, whatever was true a moment ago.
 */
export const Lamp = (/** @type {{viewers: readonly PanelViewer[], isHeldBack: boolean}} */ { viewers, isHeldBack }) => {
  const there = viewers.filter((viewer) => viewer.is_connected && !viewer.is_in_room);
  if (!there.length) return null;
  if (isHeldBack)
    return html`<div class="hearing" data-lamp="held" role="status">
      <p><${Icon} name="waiting" /><span>${t('panel.lamp.held')}</span></p>
    </div>`;
  const hows = there.map(howIs);
  const fine = hows.filter((how) => how === 'fine').length;
  const why = WHYS.find((one) => hows.indexOf(one) >= 0);
  const open = hows.indexOf('nothing-said') >= 0 ? 'quiet' : 'unknown';
  const state = why ? 'some' : fine ? (fine === there.length ? 'all' : 'most') : open;
  const sign = { all: 'ok', most: 'waiting', quiet: 'waiting', unknown: 'waiting', some: 'warning' }[state];
  return html`<div class="hearing" data-lamp=${state} role="status">
    <p><${Icon} name=${sign} /><span>${state === open ? t('panel.lamp.' + open) : tn('panel.lamp', fine, { all: there.length })}</span></p>
    ${why && html`<p class="hint">${t('panel.lamp.do.' + why)}</p>`}
  </div>`;
};
