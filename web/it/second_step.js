// The second step of one's own account: set it up with an app, note the recovery codes, take it away.

import { html } from 'htm/preact';
import { signal } from '@preact/signals';
import { useEffect } from 'preact/hooks';
import { json } from '../lib/api.js';
import { Dialog, Icon } from './parts.js';
import { CodeField, Problem } from './sign_in.js';
import { asApiError, askWhoItIs, session, signedOut, t } from './store.js';

/** @typedef {import('../lib/api.js').ApiError} ApiError */
/** @typedef {import('../lib/protocol').RecoveryCodes} RecoveryCodes */
/** @typedef {import('../lib/protocol').SecondStepSetUp} SecondStepSetUp */

const PATH = '/api/v1/session/totp';

const isOpen = signal(false);
/** @type {import('@preact/signals').Signal<SecondStepSetUp | null>} */
const setUp = signal(null);
/** Shown this once. @type {import('@preact/signals').Signal<readonly string[] | null>} */
const codes = signal(null);
/** @type {import('@preact/signals').Signal<ApiError | null>} */
const refusal = signal(null);
const isBusy = signal(false);

/** @param {() => Promise<void>} act */
async function attempt(act) {
  if (isBusy.value) return;
  isBusy.value = true;
  refusal.value = null;
  try {
    await act();
  } catch (error) {
    const known = asApiError(error);
    if (known.code === 'access-refused') signedOut();
    refusal.value = known;
  }
  isBusy.value = false;
}

const propose = () =>
  attempt(async () => {
    setUp.value = await json(PATH, { method: 'POST', json: {} });
  });

/** @param {SubmitEvent} event */
function codeOf(event) {
  event.preventDefault();
  return String(new FormData(/** @type {HTMLFormElement} */ (event.target)).get('code'));
}

/** @param {SubmitEvent} event */
function begin(event) {
  const code = codeOf(event);
  return attempt(async () => {
    /** @type {RecoveryCodes} */
    const told = await json(PATH, { method: 'PUT', json: { pending: setUp.value && setUp.value.pending, code } });
    codes.value = told.codes;
  });
}

/** @param {SubmitEvent} event */
function end(event) {
  const code = codeOf(event);
  return attempt(async () => {
    await json(PATH + '/end', { method: 'POST', json: { code } });
    close();
    signedOut();
  });
}

/** The recovery codes are noted. */
function done() {
  close();
  askWhoItIs();
}

function close() {
  isOpen.value = false;
  setUp.value = null;
  codes.value = null;
  refusal.value = null;
}

const Codes = () => html`<p role="status">${t('it.step.codes')}</p>
  <ul class="recovery" id="recovery">
    ${(codes.value || []).map((code) => html`<li key=${code}>${code}</li>`)}
  </ul>
  <div class="row"><button class="button primary" id="step-done" onClick=${done}>${t('it.step.codes.noted')}</button></div>`;

const SetUp = (/** @type {{cancel?: () => void}} */ { cancel }) => {
  useEffect(() => {
    propose();
  }, []);
  if (codes.value) return html`<${Codes} />`;
  return html`<form class="step" onSubmit=${begin}>
    <p>${t('it.step.scan')}</p>
    ${setUp.value
      ? html`<img class="qr" src=${setUp.value.qr} alt=${t('it.step.qr')} />
          <p>
            <span class="soft">${t('it.step.secret')}</span> <code id="secret">${setUp.value.secret.replace(/(.{4})(?=.)/g, '$1 ')}</code>
          </p>
          <${CodeField} hint=${t('it.step.first')} />`
      : !refusal.value && html`<div class="skeleton"></div>`}
    <${Problem} error=${refusal.value} />
    <div class="row">
      ${cancel && html`<button class="button" type="button" onClick=${cancel}>${t('it.step.cancel')}</button>`}
      ${setUp.value && html`<button class="button primary" type="submit" aria-disabled=${isBusy.value}>${t('it.step.begin')}</button>`}
    </div>
  </form>`;
};

const End = () => html`<form class="step" onSubmit=${end}>
  <p>${t('it.step.on')}</p>
  <${CodeField} hint=${t('it.step.code.hint')} isRecovery=${true} />
  <${Problem} error=${refusal.value} />
  <div class="row">
    <button class="button" type="button" onClick=${close}>${t('it.step.cancel')}</button>
    <button class="button danger" type="submit" id="step-end" aria-disabled=${isBusy.value}>${t('it.step.end')}</button>
  </div>
</form>`;

/** In the head of the page, for accounts whose second step is ours. */
export const SecondStepButton = () => {
  const state = session.value && session.value.second_step;
  if (state !== 'on' && state !== 'off') return null;
  return html`<button class="button quiet" id="step" onClick=${() => (isOpen.value = true)}><${Icon} name="lock" /><span>${t('it.step.title')}</span></button>`;
};

export const SecondStepDialog = () =>
  isOpen.value &&
  html`<${Dialog} title=${t('it.step.title')} onClose=${codes.value ? done : close}>
    ${session.value && session.value.second_step === 'on' ? html`<${End} />` : html`<${SetUp} cancel=${close} />`}
  <//>`;

/** Where the centre wants a second step before anything else. */
export const SecondStepFirst = () => html`<div class="card step-first">
  <h1>${t('it.step.title')}</h1>
  <p>${t('it.step.missing')}</p>
  <${SetUp} />
</div>`;
