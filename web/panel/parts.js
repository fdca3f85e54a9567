// Parts that several views of the panel share.

import { html } from 'htm/preact';
import { useEffect, useRef } from 'preact/hooks';
import { useSignalEffect } from '@preact/signals';
import { ICONS } from '../lib/icons.js';
import { level, t } from './store.js';

/** @typedef {import('../lib/protocol').DeviceReport} DeviceReport */

/** @param {{name: string}} props */
export const Icon = ({ name }) =>
  html`<svg class="icon" viewBox="0 0 24 24" aria-hidden="true">
    ${ICONS[name].map((path) => (path[0] === '!' ? html`<path class="solid" d=${path.slice(1)} />` : html`<path d=${path} />`))}
  </svg>`;

/** @type {Record<string, string>} */
export const STATUS_ICON = { ok: 'ok', warning: 'warning', critical: 'bad', unknown: 'waiting' };

/** A dialog that holds the screen until it is answered. */
export const Dialog = (
  /** @type {{title: string, className?: string, onClose: () => void, children?: any}} */ { title, className, onClose, children },
) => {
  const ref = useRef(/** @type {HTMLDialogElement | null} */ (null));
  useEffect(() => {
    const dialog = /** @type {HTMLDialogElement} */ (ref.current);
    dialog.showModal();
    const first = /** @type {HTMLElement | null} */ (dialog.querySelector('[data-first]'));
    if (first) first.focus();
    dialog.scrollTop = 0; // what has the focus may stand at its end
    return () => dialog.close();
  }, []);
  return html`<dialog
    ref=${ref}
    class=${'dialog ' + (className || '')}
    aria-labelledby="dialog-title"
    onCancel=${(/** @type {Event} */ event) => {
      event.preventDefault();
      onClose();
    }}
  >
    <h2 id="dialog-title">${title}</h2>
    ${children}
  </dialog>`;
};

/**
 * At most five pictures a second of what is sent, while it is looked at; words until there is one, few where it is small.
 * @param {{track: 'board' | 'camera', words: string, brief?: string, label: string}} props
 */
export const Preview = ({ track, words, brief, label }) => {
  const image = useRef(/** @type {HTMLImageElement | null} */ (null));
  const box = useRef(/** @type {HTMLElement | null} */ (null));
  useEffect(() => {
    const abort = new AbortController();
    followPreview(track, /** @type {HTMLImageElement} */ (image.current), /** @type {HTMLElement} */ (box.current), abort.signal);
    return () => abort.abort();
  }, [track]);
  return html`<figure class="preview" data-track=${track} ref=${box} data-state="none">
    <img ref=${image} alt=${label} />
    <p class="instead">${words}</p>
    ${brief && html`<p class="instead brief" aria-hidden="true">${brief}</p>`}
    <figcaption>${label}</figcaption>
  </figure>`;
};

const PREVIEW_MS = 200;

/**
 * Have an image show the newest picture of a path, and let go of the one `before`; the caller keeps what is returned.
 * Rejects when it cannot be fetched.
 * @param {string} path @param {HTMLImageElement} image @param {string} before @param {AbortSignal} signal
 * @returns {Promise<string>} the picture's object URL; empty when there is none now, and nothing is changed
 */
export async function showNewest(path, image, before, signal) {
  const response = await fetch(path, { signal, cache: 'no-store' });
  if (response.status !== 200) return '';
  const next = URL.createObjectURL(await response.blob());
  image.src = next;
  await image.decode().catch(() => undefined);
  if (before) URL.revokeObjectURL(before);
  return next;
}

/** @param {string} track @param {HTMLImageElement} image @param {HTMLElement} box @param {AbortSignal} signal */
async function followPreview(track, image, box, signal) {
  let address = '';
  while (!signal.aborted) {
    const began = performance.now();
    if (document.visibilityState === 'visible') {
      try {
        const next = await showNewest('/api/preview/' + track + '.jpg', image, address, signal);
        address = next || address;
        box.dataset.state = next ? 'shown' : 'none';
      } catch (error) {
        if (signal.aborted) break;
        box.dataset.state = 'none';
      }
    }
    await new Promise((resolve) => setTimeout(resolve, Math.max(20, PREVIEW_MS - (performance.now() - began))));
  }
  if (address) URL.revokeObjectURL(address);
}

/** Quietest level that the meter shows; speech in a room is about −35 to −15 dBFS. */
const FLOOR_DBFS = -60;
const LOUD_DBFS = -1.5;
/** Loudest of the last two seconds: words that followed every syllable could not be read. */
const HOLD_MS = 2000;
const HEARD_DBFS = -48;

/** `stop`: why no sound goes out, whatever the microphone hears; empty when it does. */
export const SoundMeter = (/** @type {{stop: '' | 'muted' | 'paused'}} */ { stop }) => {
  const fill = useRef(/** @type {HTMLElement | null} */ (null));
  const box = useRef(/** @type {HTMLElement | null} */ (null));
  const text = useRef(/** @type {HTMLElement | null} */ (null));
  const recent = useRef(/** @type {{at: number, rms: number, peak: number}[]} */ ([]));
  useSignalEffect(() => {
    const { value } = level;
    if (!fill.current || !box.current || !text.current) return;
    const at = performance.now();
    if (value) recent.current.push({ at, rms: value.rms_dbfs, peak: value.peak_dbfs });
    recent.current = value ? recent.current.filter((one) => at - one.at < HOLD_MS) : [];
    const share = value && !stop ? Math.min(1, Math.max(0, 1 - value.rms_dbfs / FLOOR_DBFS)) : 0;
    fill.current.style.transform = `scaleX(${share.toFixed(3)})`;
    const loudest = Math.max(FLOOR_DBFS, ...recent.current.map((one) => one.rms));
    const peak = Math.max(FLOOR_DBFS, ...recent.current.map((one) => one.peak));
    const key = stop || (!value ? 'none' : peak > LOUD_DBFS ? 'loud' : loudest > HEARD_DBFS ? 'heard' : 'silent');
    const words = t('panel.meter.' + key);
    if (text.current.textContent !== words) text.current.textContent = words;
    box.current.dataset.level = key;
    const shown = String(Math.round(Math.max(FLOOR_DBFS, loudest) / 6) * 6);
    if (box.current.getAttribute('aria-valuenow') !== shown) {
      box.current.setAttribute('aria-valuenow', shown);
      box.current.setAttribute('aria-valuetext', words);
    }
  });
  return html`<div class="meter-row">
    <${Icon} name=${stop ? 'microphone-off' : 'microphone'} />
    <span class="meter-words" ref=${text}></span>
    <div
      class="meter"
      ref=${box}
      role="meter"
      aria-label=${t('panel.meter')}
      aria-valuemin=${FLOOR_DBFS}
      aria-valuemax="0"
      aria-valuenow=${FLOOR_DBFS}
    >
      <span class="fill" ref=${fill}></span>
    </div>
  </div>`;
};
