// Where the room records: the press and its question, the red sign, and what was recorded.

import { html } from 'htm/preact';
import { signal } from '@preact/signals';
import { askPin } from './access.js';
import { Dialog, Icon } from './parts.js';
import { deleteRecording, isBusy, isRunning, now, say, setRecording, shareRecording, t, tn, view } from './store.js';

/** @typedef {import('../lib/protocol').PanelRecorded} PanelRecorded */

const isAsking = signal(false);
const isListing = signal(false);
/** The recording whose deletion is asked about. @type {import('@preact/signals').Signal<string>} */
const doomed = signal('');
let askedAt = 0;
/** A second touch sooner than this is the same touch of a tired finger, not a decision. */
const DELIBERATE_MS = 500;
const DAY_MS = 86_400_000;

const recording = () => (view.value ? view.value.recording : null);
const isDeliberate = () => performance.now() - askedAt >= DELIBERATE_MS;

/** Beside the on-air sign, for everybody in the room to see. */
export const RecordingSign = () => {
  const state = recording();
  if (!state || !state.is_running) return null;
  return html`<p class="sign" id="recording-sign" data-sign="live"><${Icon} name="live" /><span>${t('panel.recording.sign')}</span></p>`;
};

export const RecordingButton = () => {
  const state = recording();
  if (!state) return null;
  const ask = () => {
    askedAt = performance.now();
    isAsking.value = true;
  };
  const isOn = state.is_running;
  return html`<button class="button toggle" id="record" data-off=${isOn} aria-disabled=${isBusy('recording')} onClick=${isOn ? () => setRecording(false) : ask}>
    <${Icon} name=${isOn ? 'stop' : 'record'} /><span>${t(isOn ? 'panel.recording.stop' : 'panel.recording.start')}</span>
  </button>`;
};

/** The second, deliberate touch. */
export const RecordingQuestion = () => {
  const state = recording();
  if (!isAsking.value || !state || state.is_running || !isRunning.value) {
    if (isAsking.peek()) queueMicrotask(() => (isAsking.value = false));
    return null;
  }
  const close = () => (isAsking.value = false);
  const confirm = async () => {
    if (isDeliberate()) {
      await setRecording(true);
      close(); // a refusal is told by the page
    }
  };
  return html`<${Dialog} title=${t('panel.recording.question')} className="record-question" onClose=${close}>
    <p>${t('panel.recording.what')}</p>
    <p>${t('panel.recording.where')}</p>
    <div class="row">
      <button class="button" id="record-no" data-first onClick=${close}>${t('panel.recording.no')}</button>
      <button class="button end" id="record-yes" onClick=${confirm} aria-disabled=${isBusy('recording')}>
        <${Icon} name="record" /><span>${t('panel.recording.yes')}</span>
      </button>
    </div>
  <//>`;
};

/** Why a recording of this lesson ended by itself, with its icon; null when none did. @returns {[string, string] | null} */
export function recordingFact() {
  const state = recording();
  return state && state.problem ? ['record', say().error(state.problem.code)] : null;
}

/** What was recorded, while no lesson runs. */
export const RecordingsButton = () => {
  const state = recording();
  if (!state) return null;
  return html`<button class="button" id="recordings" onClick=${() => (isListing.value = true)}>
    <${Icon} name="record" /><span>${t('panel.recordings')}</span>
  </button>`;
};

/** @param {number} bytes */
function size(bytes) {
  const isLarge = bytes >= 1e9;
  const unit = isLarge ? 'gigabyte' : 'megabyte';
  const value = bytes / (isLarge ? 1e9 : 1e6);
  return say().number(value, { style: 'unit', unit, maximumFractionDigits: value < 10 ? 1 : 0 });
}

/** When a recording began, in words; one that cannot be read has no time. @param {string | null} at */
const when = (at) => (at ? say().dayAndTime(at) : t('panel.recordings.unknown'));

/** What became of the link that was asked for. */
const Share = (/** @type {{one: PanelRecorded}} */ { one }) => {
  const { share } = one;
  if (!share) return null;
  if (share.state === 'failed' && share.problem) return html`<p class="share" role="status">${say().error(share.problem.code)}</p>`;
  if (share.state !== 'ready' || !share.link || !share.expires_at)
    return html`<p class="share" role="status">${t('panel.share.' + share.state, { percent: say().number(share.percent / 100, { style: 'percent' }) })}</p>`;
  return html`<div class="share" role="status">
    <p>${t('panel.share.ready', { until: say().dayAndTime(share.expires_at) })}</p>
    <img class="qr" src=${'/api/recording/' + one.id + '.svg?' + share.expires_at} alt=${t('panel.share.qr')} />
    <p class="link">${share.link}</p>
  </div>`;
};

const Recorded = (/** @type {{one: PanelRecorded}} */ { one }) => {
  const days = Math.max(0, Math.ceil((Date.parse(one.deleted_at) - now.value) / DAY_MS));
  const began = when(one.began_at);
  const ask = () => {
    askedAt = performance.now();
    doomed.value = one.id;
  };
  const confirm = () => {
    if (isDeliberate()) deleteRecording(one.id);
  };
  return html`<li data-recording=${one.id}>
    <span class="device-words">
      <strong>${began}</strong>
      <span>
        ${one.began_at ? t('panel.recordings.facts', { duration: say().duration(one.duration_s), size: size(one.size_bytes) }) : size(one.size_bytes)}
        ${!one.is_whole && html` · ${t(one.began_at ? 'panel.recordings.cut' : 'panel.recordings.unreadable')}`}
      </span>
      <span>${days ? tn('panel.recordings.left', days) : t('panel.recordings.left.today')}</span>
    </span>
    ${doomed.value === one.id
      ? html`<span class="row">
          <button class="button" data-keep onClick=${() => (doomed.value = '')}>${t('panel.recordings.keep')}</button>
          <button class="button end" data-delete-yes onClick=${confirm} aria-disabled=${isBusy('delete ' + one.id)}>${t('panel.recordings.delete.yes')}</button>
        </span>`
      : html`<span class="row">
          ${one.began_at &&
          (!one.share || one.share.state === 'failed') &&
          html`<button class="button" data-share aria-label=${t('panel.share.of', { began })} aria-disabled=${isBusy('share ' + one.id)} onClick=${() => shareRecording(one.id)}>${t('panel.share')}</button>`}
          <button class="button" data-delete aria-label=${t('panel.recordings.delete.of', { began })} onClick=${ask}>${t('panel.recordings.delete')}</button>
        </span>`}
    <${Share} one=${one} />
  </li>`;
};

export const Recordings = () => {
  const state = recording();
  if (!isListing.value || !state || !view.value || isRunning.value) {
    if (isListing.peek()) queueMicrotask(() => (isListing.value = false));
    return null;
  }
  const close = () => {
    isListing.value = false;
    doomed.value = '';
  };
  const isLocked = view.value.pin === 'locked';
  const unlock = () => {
    close();
    askPin();
  };
  return html`<${Dialog} title=${t('panel.recordings')} className="recordings" onClose=${close}>
    ${isLocked
      ? html`<p>${t('panel.recordings.locked')}</p>
          <button class="button" id="recordings-unlock" onClick=${unlock}><${Icon} name="lock" /><span>${t('panel.pin.ask')}</span></button>`
      : state.all.length
        ? html`<ul class="recording-list">${state.all.map((one) => html`<${Recorded} key=${one.id} one=${one} />`)}</ul>`
        : html`<p>${t('panel.recordings.none')}</p>`}
    ${state.removed.map((one) => html`<p class="hint">${t('panel.recordings.removed.' + one.reason, { began: when(one.began_at) })}</p>`)}
    <p class="hint">${t('panel.recordings.hint')}</p>
    <div class="row"><button class="button primary" id="recordings-close" data-first onClick=${close}>${t('close')}</button></div>
  <//>`;
};
