// IT's page: sign in, all rooms, one room.

import { html, render } from 'htm/preact';
import { effect } from '@preact/signals';
import { RoomList } from './list.js';
import { Icon } from './parts.js';
import { RoomPage } from './room.js';
import { address, follow, route } from './route.js';
import { SecondStepButton, SecondStepDialog, SecondStepFirst } from './second_step.js';
import { Language, Mark, SignIn } from './sign_in.js';
import { begin, counts, listError, lostAt, now, rooms, say, session, signOut, t } from './store.js';

/** A line that mends itself sooner is no news. */
const NEWS_MS = 1500;

const Top = () => html`<header class="top">
  <a class="brand" href=${address({ room: '' })} onClick=${follow({ room: '' })}><${Mark} /><span>Estrade</span></a>
  <div class="who">
    <span class="soft">${session.value && session.value.name}</span>
    <${SecondStepButton} />
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

const Place = () => {
  if (session.value && session.value.second_step === 'missing') return html`<${SecondStepFirst} />`;
  return route.value.room ? html`<${RoomPage} />` : html`<${RoomList} />`;
};

const App = () => {
  if (session.value === undefined) return html`<${Waiting} />`;
  if (session.value === null) return html`<${SignIn} />`;
  return html`<a class="skip" href="#main">${t('skip')}</a>
    <${Top} />
    <${CentreBanner} />
    <main id="main" tabindex="-1"><${Place} /></main>
    <${SecondStepDialog} />`;
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
