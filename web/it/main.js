// IT's page: sign in, all rooms, one room.

import { html, render } from 'htm/preact';
import { effect, signal } from '@preact/signals';
import { RoomList } from './list.js';
import { Icon } from './parts.js';
import { RoomPage } from './room.js';
import { address, follow, route } from './route.js';
import { begin, counts, listError, lostAt, now, rooms, say, session, signIn, signOut, switchLanguage, t } from './store.js';

/** @typedef {import('../lib/api.js').ApiError} ApiError */

/** @type {import('@preact/signals').Signal<ApiError | null>} */
const refusal = signal(null);
const isSigningIn = signal(false);
/** A line that mends itself sooner is no news. */
const NEWS_MS = 1500;

/** @param {SubmitEvent} event */
async function submit(event) {
  event.preventDefault();
  if (isSigningIn.value) return;
  const form = new FormData(/** @type {HTMLFormElement} */ (event.target));
  isSigningIn.value = true;
  refusal.value = await signIn(String(form.get('name')), String(form.get('password')));
  isSigningIn.value = false;
}

const Mark = () => html`<svg class="mark" viewBox="0 0 32 32" aria-hidden="true">
  <rect x="2" y="4" width="28" height="19" rx="3" />
  <path d="M8 17l5-6 4 4 3-3 4 5" />
  <path class="step" d="M6 28h20" />
</svg>`;

const Language = () =>
  html`<button class="button quiet" id="lang" lang=${say().lang === 'fr' ? 'en' : 'fr'} onClick=${switchLanguage}>${t('panel.other-language')}</button>`;

const SignIn = () => html`<div class="sign-in">
  <header class="top"><p class="brand"><${Mark} /><span>Estrade</span></p><${Language} /></header>
  <main id="main">
    <form class="card" id="sign-in" onSubmit=${submit}>
      <h1>${t('it.sign-in.title')}</h1>
      <div class="field">
        <label for="name">${t('it.sign-in.name')}</label>
        <input type="text" id="name" name="name" autocomplete="username" autocapitalize="none" spellcheck=${false} maxlength="80" required />
      </div>
      <div class="field">
        <label for="password">${t('it.sign-in.password')}</label>
        <input type="password" id="password" name="password" autocomplete="current-password" maxlength="200" required />
      </div>
      ${refusal.value &&
      html`<p class="problem" role="alert">
        ${say().error(refusal.value.code, { time: say().duration(refusal.value.retryAfterS || 60) })}
        <span class="code">${t('error.code-note', { code: refusal.value.code })}</span>
      </p>`}
      <button class="button primary" type="submit" aria-disabled=${isSigningIn.value}>${t(isSigningIn.value ? 'it.sign-in.doing' : 'it.sign-in')}</button>
    </form>
  </main>
</div>`;

const Top = () => html`<header class="top">
  <a class="brand" href=${address({ room: '' })} onClick=${follow({ room: '' })}><${Mark} /><span>Estrade</span></a>
  <div class="who">
    <span class="soft">${session.value && session.value.name}</span>
    <${Language} />
    <button class="button quiet" id="sign-out" onClick=${signOut}><${Icon} name="leave" /><span>${t('it.sign-out')}</span></button>
  </div>
</header>`;

/** The centre is not heard: what is shown dates from before. */
const CentreBanner = () => {
  const at = lostAt.value;
  const isNews = at !== null && now.value - at > NEWS_MS;
  return html`<section class="banners" aria-label=${t('panel.banners')}>
    ${isNews && html`<p class="banner" id="centre-banner"><${Icon} name="warning" /><span>${t('it.line.lost', { time: say().duration((now.value - at) / 1000), at: say().time(at) })}</span></p>`}
    <p class="only-read" role="status">${isNews ? t('it.line.lost.announce') : ''}</p>
  </section>`;
};

const Waiting = () => html`<main id="main" class="waiting" aria-busy="true">
  <h1 class="only-read">Estrade</h1>
  ${listError.value
    ? html`<p class="problem" role="alert">${say().error(listError.value.code)} <span class="code">${t('error.code-note', { code: listError.value.code })}</span></p>`
    : html`<div class="skeleton"></div>`}
</main>`;

const App = () => {
  if (session.value === undefined) return html`<${Waiting} />`;
  if (session.value === null) return html`<${SignIn} />`;
  return html`<a class="skip" href="#main">${t('skip')}</a>
    <${Top} />
    <${CentreBanner} />
    <main id="main" tabindex="-1">${route.value.room ? html`<${RoomPage} />` : html`<${RoomList} />`}</main>`;
};

begin().then(() => {
  effect(() => {
    const known = rooms.value && rooms.value.get(route.value.room);
    const ill = counts.value.problem + counts.value.offline;
    const place = session.value ? (known ? known.view.name : t('it.rooms')) : t('it.sign-in.title');
    document.title = (session.value && ill ? '(' + ill + ') ' : '') + place + ' · Estrade';
  });
  const root = /** @type {HTMLElement} */ (document.getElementById('app'));
  root.textContent = '';
  render(html`<${App} />`, root);
});
