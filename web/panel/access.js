// How pupils get in: code, link, QR code; copy, show large, print. There before Start, and during the lesson.

import { html } from 'htm/preact';
import { signal } from '@preact/signals';
import { Dialog, Icon } from './parts.js';
import { isBusy, lock, refusal, say, t, unlock, view } from './store.js';

const isLarge = signal(false);
export const isAskingPin = signal(false);
const pin = signal('');
/** What copying came to: '', 'done' or 'failed'. */
const copied = signal('');

/** The QR code is made anew with each lesson: its address carries the lesson, so that no old one is shown. */
const qrAddress = () => '/api/qr.svg?lesson=' + encodeURIComponent((view.value && view.value.access && view.value.access.lesson) || '');

/** @param {string} link */
async function copy(link) {
  try {
    await navigator.clipboard.writeText(link);
    copied.value = 'done';
  } catch (error) {
    copied.value = 'failed';
  }
  setTimeout(() => (copied.value = ''), 4000);
}

/** A link without what everybody knows. @param {string} link */
const shortLink = (link) => link.replace(/^https?:\/\//, '');

/** Have the PIN typed. */
export const askPin = () => ((pin.value = ''), (refusal.value = null), (isAskingPin.value = true));

/** @param {{isSmall?: boolean}} props */
export const Access = ({ isSmall }) => {
  const { value } = view;
  const access = value && value.access;
  if (value && value.pin === 'locked')
    return html`<section class=${'access card' + (isSmall ? ' small locked' : '')} aria-labelledby="access-title">
      <h2 id="access-title">${t('panel.access.title')}</h2>
      <p>${t('panel.pin.hidden')}</p>
      <div class="row">
        <button class="button" id="pin-ask" onClick=${askPin}>
          <${Icon} name="lock" /><span>${t('panel.pin.ask')}</span>
        </button>
      </div>
    </section>`;
  if (!access)
    return html`<section class="access card" aria-labelledby="access-title">
      <h2 id="access-title">${t('panel.access.title')}</h2>
      <p>${t('panel.access.none')}</p>
    </section>`;
  const canHide = value && value.pin === 'open';
  return html`<section class=${'access card' + (isSmall ? ' small' : '') + (canHide ? ' open' : '')} aria-labelledby="access-title">
    <h2 id="access-title">${t('panel.access.title')}</h2>
    <div class="access-main">
      <img class="qr" src=${qrAddress()} alt=${t('panel.access.qr')} />
      <div class="access-words">
        <p class="label">${t('panel.access.code')}</p>
        <p class="code" id="code">${access.code}</p>
        <p class="label">${t('panel.access.link')}</p>
        <p class="link" id="link">${shortLink(access.link)}</p>
      </div>
    </div>
    <div class="row">
      <button class="button" id="qr-large" onClick=${() => (isLarge.value = true)}><${Icon} name="qr" /><span>${t('panel.access.large')}</span></button>
      <button class="button" id="copy" onClick=${() => copy(access.link)}>
        <${Icon} name=${copied.value === 'done' ? 'ok' : 'copy'} /><span>${t(copied.value === 'done' ? 'panel.access.copied' : 'panel.access.copy')}</span>
      </button>
      <button class="button" id="print" onClick=${() => print()}><${Icon} name="print" /><span>${t('panel.access.print')}</span></button>
      ${canHide && html`<button class="button" id="pin-hide" onClick=${lock}><${Icon} name="lock" /><span>${t('panel.pin.hide')}</span></button>`}
    </div>
    <p class="only-read" role="status">${copied.value && t('panel.access.' + (copied.value === 'done' ? 'copied' : 'not-copied'))}</p>
    ${copied.value === 'failed' && html`<p class="hint">${t('panel.access.not-copied')}</p>`}
  </section>`;
};

export const LargeQr = () => {
  const access = view.value && view.value.access;
  if (!isLarge.value || !access) return null;
  const close = () => (isLarge.value = false);
  return html`<${Dialog} title=${t('panel.access.large.title')} className="large-qr" onClose=${close}>
    <img class="qr" src=${qrAddress()} alt=${t('panel.access.qr')} />
    <p class="code">${access.code}</p>
    <p class="link">${shortLink(access.link)}</p>
    <button class="button primary" onClick=${close}>${t('close')}</button>
  <//>`;
};

const DIGITS = ['1', '2', '3', '4', '5', '6', '7', '8', '9', '0'];

/** The PIN before names and code, with keys of its own: a touch screen on a wall has no keyboard. */
export const PinQuestion = () => {
  if (!isAskingPin.value || !view.value || view.value.pin !== 'locked') {
    if (isAskingPin.peek()) queueMicrotask(() => (isAskingPin.value = false));
    return null;
  }
  const close = () => ((refusal.value = null), (isAskingPin.value = false));
  /** @param {Event} event */
  const send = async (event) => {
    event.preventDefault();
    const typed = pin.value;
    pin.value = '';
    if (typed && (await unlock(typed))) close();
    else /** @type {HTMLElement} */ (document.getElementById('pin')).focus(); // a keyboard types on
  };
  const wrong = refusal.value && refusal.value.code.startsWith('pin-') ? say().error(refusal.value.code) : '';
  return html`<${Dialog} title=${t('panel.pin.title')} className="pin" onClose=${close}>
    <form onSubmit=${send}>
      <input
        id="pin"
        data-first
        type="password"
        inputmode="none"
        autocomplete="off"
        maxlength="12"
        aria-label=${t('panel.pin.title')}
        value=${pin.value}
        onInput=${(/** @type {Event} */ event) => (pin.value = /** @type {HTMLInputElement} */ (event.target).value.replace(/\D/g, ''))}
      />
      <p class="hint" role="status">${wrong}</p>
      <div class="keys">
        ${DIGITS.map((digit) => html`<button class="button" type="button" key=${digit} onClick=${() => (pin.value = (pin.value + digit).slice(0, 12))}>${digit}</button>`)}
        <button class="button" type="button" aria-label=${t('panel.pin.erase')} onClick=${() => (pin.value = pin.value.slice(0, -1))}><${Icon} name="back" /></button>
      </div>
      <div class="row">
        <button class="button" type="button" onClick=${close}>${t('close')}</button>
        <button class="button primary" id="pin-send" type="submit" aria-disabled=${isBusy('unlock')}>${t('panel.pin.show')}</button>
      </div>
    </form>
  <//>`;
};

/** The sheet for the notebook: seen on paper only. */
export const Sheet = () => {
  const { value } = view;
  if (!value || !value.access) return null;
  return html`<section class="paper" aria-hidden="true">
    <p class="paper-title">${t('panel.paper.title')}</p>
    <p class="paper-room">${value.room_name}</p>
    <img class="qr" src=${qrAddress()} alt="" />
    <ol>
      <li>${t('panel.paper.1')}</li>
      <li>${t('panel.paper.2', { link: shortLink(value.access.link) })}</li>
      <li>${t('panel.paper.3')}</li>
    </ol>
    <p class="paper-code">${t('panel.paper.code')} <strong>${value.access.code}</strong></p>
    <p class="paper-foot">${t('panel.paper.foot')}</p>
  </section>`;
};
