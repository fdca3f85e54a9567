// While a lesson is being prepared, runs or ends.

import { html } from 'htm/preact';
import { signal } from '@preact/signals';
import { Access } from './access.js';
import { Calls, PupilMark, PupilsButton } from './audience.js';
import { CameraButton, coverFacts, ViewsBeside } from './camera.js';
import { framingFact } from './framing.js';
import { deviceProblem } from './idle.js';
import { howIs, inOrder, Lamp, signOf } from './lamp.js';
import { MicrophoneButton, microphoneFact } from './microphones.js';
import { Dialog, Icon, Preview, SoundMeter } from './parts.js';
import { RecordingButton, recordingFact } from './recording.js';
import { isShared, ScreenButton, SharedScreen } from './screen.js';
import { Speaking } from './talk.js';
import { isBusy, retry, setFraming, setFrozen, setOnAir, setPaused, stop, t, tn, view } from './store.js';

/** @typedef {import('../lib/protocol').DeviceReport} DeviceReport */

const isAsking = signal(false);
let askedAt = 0;
/** A second touch sooner than this is the same touch of a tired finger, not a decision. */
const DELIBERATE_MS = 500;

export const Preparing = () => {
  const { value } = view;
  if (!value) return null;
  const icons = { waiting: 'waiting', done: 'ok', failed: 'bad' };
  return html`<div class="preparing" role="status">
    <h2>${t('panel.preparing')}</h2>
    <ol class="steps">
      ${value.steps.map(
        (step) => html`<li key=${step.id} data-state=${step.state}>
          <${Icon} name=${step.id} />
          <span>${t('panel.step.' + step.id + '.' + step.state)}</span>
          <${Icon} name=${icons[step.state]} />
        </li>`,
      )}
    </ol>
    <button class="button" id="stop" onClick=${ask}>${t('panel.preparing.cancel')}</button>
  </div>`;
};

export const Ending = () => html`<div class="preparing" role="status"><h2>${t('panel.ending')}</h2></div>`;

function ask() {
  askedAt = performance.now();
  isAsking.value = true;
}

/** The second, deliberate touch. */
export const StopQuestion = () => {
  const { value } = view;
  if (!isAsking.value || !value || !['preparing', 'live', 'degraded'].includes(value.state)) {
    if (isAsking.peek()) queueMicrotask(() => (isAsking.value = false));
    return null;
  }
  const close = () => (isAsking.value = false);
  const there = value.viewers.filter((viewer) => viewer.is_connected).length;
  const confirm = async () => {
    if (performance.now() - askedAt < DELIBERATE_MS) return;
    if (await stop()) close();
  };
  return html`<${Dialog} title=${t('panel.stop.question')} className="stop-question" onClose=${close}>
    <p>${there ? tn('panel.stop.there', there) : t('panel.stop.nobody')}</p>
    <div class="row">
      <button class="button" id="stop-no" data-first onClick=${close}>${t('panel.stop.no')}</button>
      <button class="button end" id="stop-yes" onClick=${confirm} aria-disabled=${isBusy('stop')}>
        <${Icon} name="stop" /><span>${t(isBusy('stop') ? 'panel.stop.doing' : 'panel.stop.yes')}</span>
      </button>
    </div>
  <//>`;
};

export const Live = () => {
  const { value } = view;
  if (!value) return null;
  const { camera, board, sound } = value.on_air;
  /** Why there is no picture, the end of a key. @param {'camera' | 'board'} track */
  const why = (track) =>
    value.paused ? 'paused' : !value.on_air[track] ? 'off.' + track : value.missing.includes(track) ? 'missing.' + track : 'none';
  return html`<div class="live">
    <section class="sent" aria-labelledby="sent-title">
      <h2 class="only-read" id="sent-title">${t('panel.sent')}</h2>
      <div class="picture"><${Preview} track="board" words=${t('panel.preview.' + (isShared() && why('board') === 'off.board' ? 'off.screen' : why('board')))} label=${t(isShared() ? 'panel.screen' : 'role.board')} /></div>
      <${Facts} />
      <${SharedScreen} />
      <${Speaking} />
      <${Calls} />
    </section>
    <div class="beside">
      <div class="side" role="group" aria-labelledby="sent-title">
        <div class="picture"><${Preview} track="camera" words=${t('panel.preview.' + why('camera'))} brief=${t('panel.preview.brief.' + why('camera'))} label=${t('role.camera')} /></div>
        <${SoundMeter} key=${`${sound}${value.paused}`} stop=${value.paused ? 'paused' : sound ? '' : 'muted'} />
      </div>
      <${ViewsBeside} />
      <div class="aside">
        <${Pupils} />
        <${Access} isSmall />
      </div>
    </div>
    <div class="acts" role="group" aria-label=${t('panel.acts')}>
      <${Toggle} id="pause" doing="pause" icon="pause" onIcon="play" isOff=${value.paused} words=${['panel.pause', 'panel.resume']} act=${() => setPaused(!value.paused)} />
      <${Toggle} id="mute" doing="sound" icon="microphone-off" onIcon="microphone" isOff=${!sound} words=${['panel.mute', 'panel.unmute']} act=${() => setOnAir('sound', !sound)} />
      <${Toggle} id="camera-off" doing="camera" icon="camera-off" onIcon="camera" isOff=${!camera} words=${['panel.camera.off', 'panel.camera.on']} act=${() => setOnAir('camera', !camera)} />
      <${Toggle} id="board-off" doing="board" icon="board-off" onIcon="board" isOff=${!board} words=${isShared() ? ['panel.screen.off', 'panel.screen.on'] : ['panel.board.off', 'panel.board.on']} act=${() => setOnAir('board', !board)} />
      <${Toggle} id="freeze" doing="freeze" icon="freeze" onIcon="board" isOff=${value.frozen} words=${['panel.freeze', 'panel.unfreeze']} act=${() => setFrozen(!value.frozen)} />
      ${value.framing && html`<${Toggle} id="framing" doing="framing" icon="framing" onIcon="camera" isOff=${value.framing.is_on} words=${['panel.framing', 'panel.unframing']} act=${() => setFraming(!value.framing?.is_on)} />`}
      <${ScreenButton} />
      <${RecordingButton} />
      <${MicrophoneButton} />
      <${CameraButton} isShort />
      <${PupilsButton} />
      <button class="button end" id="stop" onClick=${ask}><${Icon} name="stop" /><span>${t('panel.stop')}</span></button>
    </div>
  </div>`;
};

/** A fact that the teacher turns: its words are the act, its colour and shape the fact. `doing` is the name of its act in the store. */
const Toggle = (
  /** @type {{id: string, doing: string, icon: string, onIcon: string, isOff: boolean, words: [string, string], act: () => void}} */
  { id, doing, icon, onIcon, isOff, words, act },
) =>
  html`<button class="button toggle" id=${id} data-off=${isOff} aria-disabled=${isBusy(doing)} onClick=${act}>
    <${Icon} name=${isOff ? onIcon : icon} /><span>${t(words[isOff ? 1 : 0])}</span>
  </button>`;

/** What somebody in the room can do something about while the lesson runs. */
const HELPABLE = ['device-set-aside', 'device-no-signal'];

const Ailing = (/** @type {{device: DeviceReport}} */ { device }) => {
  const words = { device: t('role.' + device.role), words: deviceProblem(device) };
  const isAside = !!device.problem && device.problem.code === 'device-set-aside';
  return html`<li class="helpable">
    <${Icon} name="warning" /><span>${t('panel.fact.device', words)}</span>
    ${isAside &&
    html`<button class="button" id=${'retry-' + device.id} aria-label=${t('panel.device.retry.of', words)} aria-disabled=${isBusy('retry')} onClick=${() => retry(device.id)}>
      ${t('panel.device.retry')}
    </button>`}
  </li>`;
};

/** What is not as usual, each in one sentence: pause and mute are two facts. */
const Facts = () => {
  const { value } = view;
  if (!value) return null;
  const isConnected = value.screen !== null && value.screen !== undefined && value.screen.state !== 'offered'; // it says of itself
  /** @type {[string, string][]} */
  const facts = [];
  if (value.paused) facts.push(['pause', t('panel.fact.paused')]);
  const hasBoardSound = value.devices.some((device) => device.role === 'board-sound');
  const muted = value.muted_from_afar ? 'muted-afar' : hasBoardSound ? 'muted-all' : 'muted';
  if (!value.on_air.sound) facts.push(['microphone-off', t('panel.fact.' + muted)]);
  if (!value.on_air.camera) facts.push(['camera-off', t('panel.fact.camera')]);
  if (!value.on_air.board && !isConnected) facts.push(['board-off', t('panel.fact.board')]);
  if (value.frozen && !isShared()) facts.push(['freeze', t(hasBoardSound ? 'panel.fact.frozen-sound' : 'panel.fact.frozen')]);
  const replaced = microphoneFact();
  if (replaced) facts.push(['microphone', replaced]);
  facts.push(...coverFacts());
  const framing = framingFact();
  if (framing) facts.push(framing);
  const recording = recordingFact();
  if (recording) facts.push(recording);
  const order = /** @type {const} */ (['camera', 'microphone', 'board']);
  const missing = order.filter((role) => value.missing.includes(role));
  if (missing.length) facts.push(['warning', t('panel.missing.' + missing.join('+'))]);
  else if (value.missing.includes('board-sound')) facts.push(['warning', t('panel.missing.board-sound')]);
  const helpable = value.devices.filter((device) => device.problem && HELPABLE.includes(device.problem.code));
  return html`<div role="status">
    <ul class="facts">
      ${facts.map(([icon, text]) => html`<li key=${icon}><${Icon} name=${icon} /><span>${text}</span></li>`)}
      ${helpable.map((device) => html`<${Ailing} key=${device.id} device=${device} />`)}
    </ul>
  </div>`;
};

/** Why a pupil gets less than everything, in words; empty when there is nothing to say. @param {import('../lib/protocol').PanelViewer} viewer */
function lessThanAll(viewer) {
  const { sending } = viewer;
  if (!viewer.is_connected || !sending || sending.why === 'best') return '';
  const what = sending.board ? (sending.camera ? 'small' : 'no-camera') : sending.camera ? 'no-board' : 'sound';
  return t('panel.pupils.why.' + sending.why, { what: t('panel.pupils.sent.' + what) });
}

const Pupils = () => {
  const { value } = view;
  if (!value) return null;
  const there = value.viewers.filter((viewer) => viewer.is_connected);
  return html`<section class="pupils card" aria-labelledby="pupils-title">
    <h2 id="pupils-title">
      <${Icon} name="people" /><span>${there.length ? tn('panel.pupils', there.length) : t('panel.pupils.none')}</span>
    </h2>
    ${there.length
      ? html`<${Lamp} viewers=${value.viewers} isHeldBack=${value.paused || !value.on_air.sound} />`
      : html`<p class="hint">${t('panel.pupils.none.do')}</p>`}
    <ul class="names" tabindex=${value.viewers.length > 1 ? 0 : null} aria-label=${t('panel.pupils.list')}>
      ${inOrder(value.viewers).map((viewer) => {
        const how = howIs(viewer);
        return html`<li key=${viewer.viewer} data-how=${how} data-sign=${signOf(how)}>
          <${Icon} name=${signOf(how)} />
          <span class="name">${viewer.name || t(value.pin === 'locked' ? 'panel.pupils.hidden' : 'panel.pupils.unnamed')}</span>
          <${PupilMark} viewer=${viewer} />
          ${how !== 'fine' && html`<span class="how">${t('panel.pupil.' + how)}</span>`}
          ${lessThanAll(viewer) && html`<span class="how">${lessThanAll(viewer)}</span>`}
        </li>`;
      })}
    </ul>
  </section>`;
};
