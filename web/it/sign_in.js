// Signing in: name and password, then a code where the account has a second step.

import { html } from 'htm/preact';
import { signal } from '@preact/signals';
import { useEffect, useRef } from 'preact/hooks';
import { ApiError, json } from '../lib/api.js';
import { say, signIn, switchLanguage, t } from './store.js';

/** @typedef {import('../lib/protocol').OidcView} OidcView */

/** @type {import('@preact/signals').Signal<ApiError | null>} */
const refusal = signal(broughtBack());
const isSigningIn = signal(false);
/** What was right, while a code is asked for. @type {import('@preact/signals').Signal<{name: string, password: string} | null>} */
const first = signal(null);

/** What people call the other service that signs them in; null where there is none. @type {import('@preact/signals').Signal<string | null>} */
const other = signal(null);

/** Why the way over the other service did not go through: it ends at our address, with a code, which is taken out of it. */
function broughtBack() {
  const code = new URLSearchParams(location.search).get('problem');
  if (!code) return null;
  window.history.replaceState(null, '', location.pathname);
  return new ApiError(code, 'signing in with the other service');
}

/** @param {SubmitEvent} event */
async function submit(event) {
  event.preventDefault();
  if (isSigningIn.value) return;
  const form = new FormData(/** @type {HTMLFormElement} */ (event.target));
  const { name, password } = first.value || { name: String(form.get('name')), password: String(form.get('password')) };
  const code = first.value ? String(form.get('code')) : null;
  isSigningIn.value = true;
  const error = await signIn(name, password, code);
  isSigningIn.value = false;
  if (error && error.code === 'totp-needed') {
    first.value = { name, password };
    refusal.value = null;
    return;
  }
  if (!error || error.code === 'sign-in-failed') first.value = null;
  refusal.value = error;
}

function again() {
  first.value = null;
  refusal.value = null;
}

export const Mark = () => html`<svg class="mark" viewBox="0 0 32 32" aria-hidden="true">
  <rect x="2" y="4" width="28" height="19" rx="3" />
  <path d="M8 17l5-6 4 4 3-3 4 5" />
  <path class="step" d="M6 28h20" />
</svg>`;

export const Language = () =>
  html`<button class="button quiet" id="lang" lang=${say().lang === 'fr' ? 'en' : 'fr'} onClick=${switchLanguage}>${t('panel.other-language')}</button>`;

/** The sentence for an error, with its code. */
export const Problem = (/** @type {{error: ApiError | null}} */ { error }) =>
  error &&
  html`<p class="problem" role="alert">
    ${say().error(error.code, { time: say().duration(error.retryAfterS || 60) })}
    <span class="code">${t('error.code-note', { code: error.code })}</span>
  </p>`;

/** Where a code is typed; the focus is there when it appears. `isRecovery`: a recovery code goes too, which has letters. */
export const CodeField = (/** @type {{hint: string, isRecovery?: boolean}} */ { hint, isRecovery }) => {
  const ref = useRef(/** @type {HTMLInputElement | null} */ (null));
  useEffect(() => /** @type {HTMLInputElement} */ (ref.current).focus(), []);
  return html`<div class="field">
    <label for="code">${t('it.step.code')}</label>
    <input
      ref=${ref}
      type="text"
      id="code"
      name="code"
      autocomplete="one-time-code"
      inputmode=${isRecovery ? 'text' : 'numeric'}
      autocapitalize="none"
      spellcheck=${false}
      maxlength="40"
      aria-describedby="code-hint"
      required
    />
    <p class="soft" id="code-hint">${hint}</p>
  </div>`;
};

const Password = () => html`<h1>${t('it.sign-in.title')}</h1>
  <div class="field">
    <label for="name">${t('it.sign-in.name')}</label>
    <input type="text" id="name" name="name" autocomplete="username" autocapitalize="none" spellcheck=${false} maxlength="80" required />
  </div>
  <div class="field">
    <label for="password">${t('it.sign-in.password')}</label>
    <input type="password" id="password" name="password" autocomplete="current-password" maxlength="200" required />
  </div>`;

/** The way over the other service: a plain link, as the browser itself has to go. */
const Other = () => {
  useEffect(() => {
    /** @type {Promise<OidcView>} */
    const asked = json('/api/v1/oidc');
    asked.then(
      (view) => (other.value = view.label),
      () => undefined, // without it there is the password
    );
  }, []);
  return other.value && html`<a class="button" id="other" href="/api/v1/oidc/start">${t('it.sign-in.other', { service: other.value })}</a>`;
};

const Code = () => html`<h1>${t('it.step.title')}</h1>
  <${CodeField} hint=${t('it.step.code.hint')} isRecovery=${true} />`;

export const SignIn = () => html`<div class="sign-in">
  <header class="top"><p class="brand"><${Mark} /><span>Estrade</span></p><${Language} /></header>
  <main id="main">
    <form class="card" id="sign-in" onSubmit=${submit}>
      ${first.value ? html`<${Code} key="code" />` : html`<${Password} key="password" />`}
      <${Problem} error=${refusal.value} />
      <button class="button primary" type="submit" aria-disabled=${isSigningIn.value}>${t(isSigningIn.value ? 'it.sign-in.doing' : 'it.sign-in')}</button>
      ${first.value ? html`<button class="button quiet" type="button" id="again" onClick=${again}>${t('it.step.again')}</button>` : html`<${Other} />`}
    </form>
  </main>
</div>`;
