// The camera: its stored views as large buttons, turning it by hand, looking whether a view is right.

import { html } from 'htm/preact';
import { useEffect, useRef } from 'preact/hooks';
import { effect, signal } from '@preact/signals';
import { askPin } from './access.js';
import { Dialog, Icon, Preview, showNewest } from './parts.js';
import { confirmView, isBusy, isRunning, lostAt, recall, refusal, say, storeView, t, view } from './store.js';
import { held, hold, letGo, nudge, onRefusal } from './turning.js';

/** @typedef {import('../lib/protocol').PanelPtz} PanelPtz */
/** @typedef {import('../lib/protocol').PanelPreset} PanelPreset */
/** @typedef {import('./turning.js').Speed} Speed */

/** What the dialog shows; '': it is closed. @type {import('@preact/signals').Signal<'' | 'turn' | 'save' | 'check'>} */
const mode = signal('');
/** The view that is about to be replaced by what the camera shows now. */
const saving = signal('');
/** The view that somebody looked at and did not find right. */
const declined = signal('');
let askedAt = 0;
/** A second touch sooner than this is the same touch of a tired finger, not a decision. */
const DELIBERATE_MS = 500;
/** Views beside a running lesson; the others are one touch away. */
const BESIDE = 3;

onRefusal((error) => (refusal.value = error));
effect(() => {
  if (lostAt.value !== null) letGo();
});

/** @type {Record<string, string>} */
const PRESET_ICON = { board: 'board', teacher: 'teacher', class: 'people' };

/** The name of a view, for people. @param {string} name */
export function viewName(name) {
  const key = 'panel.preset.' + name;
  if (say().has(key)) return t(key);
  const words = name.replace(/-/g, ' ');
  return words[0].toUpperCase() + words.slice(1);
}

/** Why the motor does nothing, in words; '' while it does. @param {PanelPtz} ptz */
export function motorProblem(ptz) {
  if (ptz.is_connected) return '';
  const key = 'panel.ptz.' + (ptz.problem ? ptz.problem.code : 'connecting');
  return say().has(key) ? t(key) : t('panel.ptz.device-failed');
}

/** Whether there is anything to do with the camera. */
const hasCamera = () => !!view.value && (!!view.value.ptz || !!(view.value.masks && view.value.masks.to_check));

/** @param {'turn' | 'check'} next */
const open = (next) => ((saving.value = ''), (mode.value = next));

const close = () => {
  letGo();
  mode.value = '';
};

/** @param {{preset: PanelPreset, onClick: () => void, words: string}} props */
const View = ({ preset, onClick, words }) =>
  html`<button
    class="button view"
    data-preset=${preset.name}
    data-heading=${preset.is_heading}
    aria-current=${preset.is_current ? 'true' : null}
    aria-disabled=${isBusy('recall ' + preset.name)}
    onClick=${onClick}
  >
    <span class="view-picture">
      ${preset.picture
        ? html`<img src=${'/api/camera/preset/' + preset.name + '.jpg?v=' + preset.picture} alt="" />`
        : html`<${Icon} name=${PRESET_ICON[preset.name] || 'camera'} />`}
      ${preset.is_current && html`<span class="view-mark"><${Icon} name="ok" /></span>`}
    </span>
    <span class="view-name">${words}</span>
  </button>`;

/** The stored views, each a button that goes there. @param {{most?: number}} props */
export const Views = ({ most }) => {
  const ptz = view.value && view.value.ptz;
  if (!ptz || !ptz.is_connected || !ptz.presets.length) return null;
  const current = ptz.presets.find((preset) => preset.is_current);
  const heading = ptz.presets.find((preset) => preset.is_heading);
  const said = heading ? t('panel.view.heading', { view: viewName(heading.name) }) : current ? t('panel.view.at', { view: viewName(current.name) }) : '';
  return html`<div class="views" role="group" aria-label=${t('panel.views')} data-count=${Math.min(ptz.presets.length, most || 99)}>
    ${ptz.presets
      .slice(0, most)
      .map((preset) => html`<${View} key=${preset.name} preset=${preset} words=${viewName(preset.name)} onClick=${() => recall(preset.name)} />`)}
    <p class="only-read" role="status">${said}</p>
  </div>`;
};

/** Beside a running lesson. */
export const ViewsBeside = () => html`<${Views} most=${BESIDE} />`;

/** Opens everything about the camera. */
export const CameraButton = (/** @type {{isShort?: boolean}} */ { isShort }) =>
  hasCamera() &&
  html`<button class=${'button' + (isShort ? ' aim' : '')} id="camera-turn" onClick=${() => open('turn')}>
    <${Icon} name="turn" /><span>${t(isShort ? 'panel.camera.aim' : 'panel.camera.turn')}</span>
  </button>`;

/** What pupils do not see of the camera, and why: sentences for the facts of a lesson. @returns {[string, string][]} */
export function coverFacts() {
  const { value } = view;
  if (!value || !value.masks || value.paused || !value.on_air.camera) return [];
  /** @type {[string, string][]} */
  const facts = [];
  const { cover, to_check } = value.masks;
  if (cover && cover !== 'moving') {
    const said = t('panel.cover.' + cover, { view: to_check ? viewName(to_check) : '' });
    facts.push(['mask', to_check ? said + ' ' + t('panel.cover.look') : said]);
  }
  if (value.ptz && value.ptz.class_preset === 'moved' && !(to_check === 'class')) facts.push(['people', t('panel.class.moved')]);
  return facts;
}

// --- turning by hand -----------------------------------------------------------------------------------------------

/** Rows of the pad: name, pan, tilt. @type {[string, number, number][]} */
const DIRECTIONS = [
  ['up-left', -1, 1],
  ['up', 0, 1],
  ['up-right', 1, 1],
  ['left', -1, 0],
  ['middle', 0, 0],
  ['right', 1, 0],
  ['down-left', -1, -1],
  ['down', 0, -1],
  ['down-right', 1, -1],
];
/** @type {Record<string, Speed>} */
const KEYS = {
  ArrowLeft: { pan: -1, tilt: 0, zoom: 0 },
  ArrowRight: { pan: 1, tilt: 0, zoom: 0 },
  ArrowUp: { pan: 0, tilt: 1, zoom: 0 },
  ArrowDown: { pan: 0, tilt: -1, zoom: 0 },
  '+': { pan: 0, tilt: 0, zoom: 1 },
  '=': { pan: 0, tilt: 0, zoom: 1 },
  '-': { pan: 0, tilt: 0, zoom: -1 },
};

/** A button that is held. @param {{name: string, icon: string, speed: Speed}} props */
const Held = ({ name, icon, speed }) => {
  const isHeld = held.value !== null && held.value.pan === speed.pan && held.value.tilt === speed.tilt && held.value.zoom === speed.zoom;
  const start = (/** @type {PointerEvent} */ event) => {
    if (event.button !== 0) return;
    /** @type {Element} */ (event.currentTarget).setPointerCapture(event.pointerId);
    hold(speed);
  };
  const isPress = (/** @type {KeyboardEvent} */ event) => event.key === 'Enter' || event.key === ' ';
  return html`<button
    class="button turn"
    type="button"
    data-turn=${name}
    data-first=${name === 'up' || null}
    data-held=${isHeld}
    aria-label=${t('panel.turn.' + name)}
    onPointerDown=${start}
    onPointerUp=${letGo}
    onPointerCancel=${letGo}
    onLostPointerCapture=${letGo}
    onContextMenu=${(/** @type {Event} */ event) => event.preventDefault()}
    onKeyDown=${(/** @type {KeyboardEvent} */ event) => {
      if (!isPress(event)) return;
      event.preventDefault();
      if (!event.repeat) hold(speed);
    }}
    onKeyUp=${(/** @type {KeyboardEvent} */ event) => {
      if (!isPress(event)) return;
      event.preventDefault();
      letGo();
    }}
    onClick=${(/** @type {MouseEvent} */ event) => event.detail === 0 && nudge(speed)}
  >
    <${Icon} name=${icon} />
  </button>`;
};

/** @param {{ptz: PanelPtz}} props */
const Pad = ({ ptz }) => {
  const down = useRef(/** @type {Set<string>} */ (new Set()));
  const follow = () => {
    const sum = { pan: 0, tilt: 0, zoom: 0 };
    for (const key of down.current) {
      const { pan, tilt, zoom } = KEYS[key];
      if (ptz.can_turn) (sum.pan += pan), (sum.tilt += tilt);
      if (ptz.can_zoom) sum.zoom = Math.sign(sum.zoom + zoom);
    }
    if (sum.pan || sum.tilt || sum.zoom) hold(sum);
    else letGo();
  };
  const onKeyDown = (/** @type {KeyboardEvent} */ event) => {
    if (!KEYS[event.key] || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    if (event.repeat) return;
    down.current.add(event.key);
    follow();
  };
  const onKeyUp = (/** @type {KeyboardEvent} */ event) => {
    if (down.current.delete(event.key)) follow();
  };
  const onFocusOut = (/** @type {FocusEvent} */ event) => {
    const pad = /** @type {Element} */ (event.currentTarget);
    if (event.relatedTarget instanceof Node && pad.contains(event.relatedTarget)) return; // a touch takes the focus along
    down.current.clear();
    letGo();
  };
  useEffect(() => letGo, []);
  return html`<div class="pad" role="group" aria-label=${t('panel.turn')} onKeyDown=${onKeyDown} onKeyUp=${onKeyUp} onFocusOut=${onFocusOut}>
    ${ptz.can_turn &&
    html`<div class="pad-turn">
      ${DIRECTIONS.map(([name, pan, tilt]) =>
        name === 'middle'
          ? html`<span class="pad-middle" key=${name}><${Icon} name="camera" /></span>`
          : html`<${Held} key=${name} name=${name} icon="arrow" speed=${{ pan, tilt, zoom: 0 }} />`,
      )}
    </div>`}
    ${ptz.can_zoom &&
    html`<div class="pad-zoom">
      <${Held} name="wide" icon="zoom-out" speed=${{ pan: 0, tilt: 0, zoom: -1 }} />
      <${Held} name="narrow" icon="zoom-in" speed=${{ pan: 0, tilt: 0, zoom: 1 }} />
    </div>`}
    <p class="hint">${t('panel.turn.hint')}</p>
  </div>`;
};

// --- the dialog ----------------------------------------------------------------------------------------------------

export const CameraDialog = () => {
  const { value } = view;
  const masks = value && value.masks;
  const toCheck = (isRunning.value && masks && masks.to_check) || '';
  useEffect(() => {
    if (toCheck !== declined.peek()) declined.value = '';
    if (!hasCamera()) mode.value = '';
    else if (mode.peek() === 'turn' && toCheck && !declined.peek()) mode.value = 'check';
    else if (mode.peek() === 'check' && !toCheck) mode.value = 'turn';
  }, [toCheck, mode.value]);
  useEffect(() => {
    const first = document.querySelector('.camera-dialog [data-first]');
    if (first instanceof HTMLElement) first.focus();
  }, [mode.value, saving.value]);
  if (!mode.value || !value || !hasCamera()) return null;
  const shown = mode.value === 'check' && !toCheck ? 'turn' : mode.value;
  const title = shown === 'check' ? t('panel.check.title', { view: viewName(toCheck) }) : t(shown === 'save' ? 'panel.save.title' : 'panel.camera.title');
  return html`<${Dialog} title=${title} className=${'camera-dialog ' + shown} onClose=${close}>
    ${shown === 'check' ? html`<${Check} name=${toCheck} />` : shown === 'save' ? html`<${Save} />` : html`<${Turn} toCheck=${toCheck} />`}
  <//>`;
};

/** @param {{toCheck: string}} props */
const Turn = ({ toCheck }) => {
  const { value } = view;
  if (!value) return null;
  const { ptz, masks } = value;
  const problem = ptz && motorProblem(ptz);
  const cover = masks && masks.cover;
  const canSave = ptz && ptz.is_connected && ptz.can_store && value.pin !== 'locked';
  const words = !isRunning.value
    ? t('panel.camera.closed')
    : value.paused
      ? t('panel.preview.paused')
      : !value.on_air.camera
        ? t('panel.preview.off.camera')
        : value.missing.includes('camera')
          ? t('panel.preview.missing.camera')
          : t('panel.preview.none');
  return html`<div class="camera-main">
      <div class="camera-seen">
        <div class="picture"><${Preview} track="camera" words=${words} label=${t('panel.camera.seen')} /></div>
        <${Views} />
      </div>
      ${ptz && ptz.is_connected && (ptz.can_turn || ptz.can_zoom) && html`<${Pad} ptz=${ptz} />`}
    </div>
    <div class="camera-said" role="status">
      ${problem && html`<p class="banner bad"><${Icon} name="warning" /><span>${problem}</span></p>`}
      ${isRunning.value &&
      cover &&
      cover !== 'moving' &&
      html`<p class="banner"><${Icon} name="mask" /><span>${t('panel.cover.' + cover, { view: toCheck ? viewName(toCheck) : '' })}</span></p>`}
      ${ptz && html`<${ClassWords} ptz=${ptz} />`}
    </div>
    <div class="row">
      ${toCheck &&
      html`<button class="button" id="check" onClick=${() => ((declined.value = ''), (mode.value = 'check'))}>
        <${Icon} name="eye" /><span>${t('panel.check')}</span>
      </button>`}
      ${canSave &&
      html`<button class="button" id="save-view" onClick=${() => (letGo(), (saving.value = ''), (mode.value = 'save'))}>
        <${Icon} name="save" /><span>${t('panel.save')}</span>
      </button>`}
      <button class="button primary" id="camera-close" onClick=${close}>${t('close')}</button>
    </div>`;
};

/** Why there is no button for the class, where the school wants one. @param {{ptz: PanelPtz}} props */
const ClassWords = ({ ptz }) => {
  const why = ptz.class_preset;
  if (!ptz.is_connected || why === 'none' || why === 'offered') return null;
  return html`<div class="banner class-words" data-why=${why}>
    <${Icon} name="people" />
    <span>${t('panel.class.' + why)}</span>
    ${why === 'locked' &&
    html`<button class="button" onClick=${() => (close(), askPin())}><${Icon} name="lock" /><span>${t('panel.pin.ask')}</span></button>`}
    ${(why === 'unchecked' || why === 'moved') &&
    (isRunning.value
      ? html`<button class="button" id="class-check" aria-disabled=${isBusy('recall class')} onClick=${() => recall('class', true)}>${t('panel.class.check')}</button>`
      : html`<span>${t('panel.class.later')}</span>`)}
  </div>`;
};

const CHECK_MS = 700;

/** Somebody in the room looks, and says whether pupils may. @param {{name: string}} props */
const Check = ({ name }) => {
  const image = useRef(/** @type {HTMLImageElement | null} */ (null));
  const isSeen = useRef(signal(false)).current;
  const isLocked = !!view.value && view.value.pin === 'locked';
  const hasMasks = name !== 'class';
  useEffect(() => {
    if (isLocked) return undefined;
    const abort = new AbortController();
    followCheck(/** @type {HTMLImageElement} */ (image.current), isSeen, abort.signal);
    return () => abort.abort();
  }, [name, isLocked]);
  useEffect(() => void (askedAt = performance.now()), [name]);
  const no = () => ((declined.value = name), (mode.value = 'turn'));
  const yes = async () => {
    if (!isSeen.value || performance.now() - askedAt < DELIBERATE_MS) return;
    if (await confirmView(name)) mode.value = 'turn';
  };
  if (isLocked)
    return html`<p>${t('panel.check.locked')}</p>
      <div class="row">
        <button class="button" onClick=${close}>${t('close')}</button>
        <button class="button primary" onClick=${() => (close(), askPin())}><${Icon} name="lock" /><span>${t('panel.pin.ask')}</span></button>
      </div>`;
  return html`<p>${t(hasMasks ? 'panel.check.masks' : 'panel.check.class')}</p>
    <figure class="preview check-picture" data-state=${isSeen.value ? 'shown' : 'none'}>
      <img ref=${image} alt=${t('panel.check.picture')} />
      <p class="instead">${t('panel.check.wait')}</p>
    </figure>
    <div class="row">
      <button class="button" id="check-no" data-first onClick=${no}>${t('panel.check.no')}</button>
      <button class="button primary" id="check-yes" onClick=${yes} aria-disabled=${!isSeen.value || isBusy('confirm')}>
        <${Icon} name="ok" /><span>${t('panel.check.yes')}</span>
      </button>
    </div>`;
};

/** @param {HTMLImageElement} image @param {import('@preact/signals').Signal<boolean>} isSeen @param {AbortSignal} stop */
async function followCheck(image, isSeen, stop) {
  let address = '';
  while (!stop.aborted) {
    try {
      const next = await showNewest('/api/camera/check.jpg', image, address, stop);
      address = next || address;
      isSeen.value = !!next;
    } catch (error) {
      if (stop.aborted) break;
      isSeen.value = false;
    }
    await new Promise((resolve) => setTimeout(resolve, CHECK_MS));
  }
  if (address) URL.revokeObjectURL(address);
}

/** Another view under an old name: chosen, then asked once more. */
const Save = () => {
  const ptz = view.value && view.value.ptz;
  if (!ptz) return null;
  const back = () => (saving.value ? (saving.value = '') : (mode.value = 'turn'));
  const confirm = async () => {
    if (performance.now() - askedAt < DELIBERATE_MS) return;
    if (await storeView(saving.value)) mode.value = 'turn';
  };
  if (saving.value)
    return html`<p>${t('panel.save.sure', { view: viewName(saving.value) })}</p>
      <div class="row">
        <button class="button" id="save-no" data-first onClick=${back}>${t('panel.save.no')}</button>
        <button class="button primary" id="save-yes" onClick=${confirm} aria-disabled=${isBusy('store')}>
          <${Icon} name="save" /><span>${t('panel.save.yes', { view: viewName(saving.value) })}</span>
        </button>
      </div>`;
  const choose = (/** @type {string} */ name) => ((askedAt = performance.now()), (saving.value = name));
  return html`<p>${t('panel.save.which')}</p>
    <div class="views" role="group" aria-label=${t('panel.views')}>
      ${ptz.presets.map((preset) => html`<${View} key=${preset.name} preset=${preset} words=${viewName(preset.name)} onClick=${() => choose(preset.name)} />`)}
    </div>
    <div class="row"><button class="button" id="save-back" onClick=${back}>${t('panel.save.back')}</button></div>`;
};
