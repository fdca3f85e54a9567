// The room's panel: frame, top line, banners, and the view for the lesson's state.

import { html, render } from 'htm/preact';
import { effect, signal } from '@preact/signals';
import { clock } from '../lib/i18n.js';
import { isAskingPin, LargeQr, PinQuestion, Sheet } from './access.js';
import { AllWell, CheckBanners, CheckLines, NormalState } from './checks.js';
import { PupilsDialog } from './audience.js';
import { CameraDialog, motorProblem } from './camera.js';
import { deviceProblem, Idle } from './idle.js';
import { Ending, Live, Preparing, StopQuestion } from './live.js';
import { MicrophoneChoice, MicrophoneQuestion } from './microphones.js';
import { Dialog, Icon } from './parts.js';
import { RecordingQuestion, Recordings, RecordingSign } from './recording.js';
import { Finding, StartFindings, startFindings } from './selftest.js';
import { answerProposal, begin, dropInterrupted, elapsedS, isBusy, isRunning, isShut, lostAt, now, proposalS, refusal, resume, say, switchLanguage, t, tn, view } from './store.js';

/** @typedef {import('../lib/protocol').DeviceReport} DeviceReport */

const THEME = 'estrade.theme';
/** @type {import('@preact/signals').Signal<string>} */
const theme = signal(remembered());
const isHelping = signal(false);
const openedAt = Date.now();
/** A page that has nothing to show after this says why. */
const SLOW_MS = 3000;

function remembered() {
  try {
    return localStorage.getItem(THEME) || 'auto';
  } catch (error) {
    return 'auto';
  }
}

const THEMES = ['auto', 'light', 'dark'];
const THEME_ICON = /** @type {Record<string, string>} */ ({ auto: 'contrast', light: 'sun', dark: 'moon' });

function nextTheme() {
  theme.value = THEMES[(THEMES.indexOf(theme.value) + 1) % THEMES.length];
  try {
    localStorage.setItem(THEME, theme.value);
  } catch (error) {
    // the choice lasts as long as the page
  }
}

effect(() => {
  if (theme.value === 'auto') delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme.value;
});

/** Who is told, and what: the facts of the on-air sign in words. */
function signWords() {
  const { value } = view;
  if (!value || value.sign === 'off') return '';
  const there = value.viewers.filter((viewer) => viewer.is_connected).length;
  const isNobody = value.sign === 'open' || !there;
  if (value.paused) return isNobody ? t('panel.sign.paused.nobody') : tn('panel.sign.paused', there);
  return isNobody ? t('panel.sign.open') : tn('panel.sign.live', there);
}

const Top = () => {
  const { value } = view;
  if (!value) return null;
  const sign = signWords();
  return html`<header class="top">
    <div class="place">
      <h1>${value.room_name}</h1>
      <p>${say().dayAndTime(now.value)}</p>
    </div>
    <div class="signs">
      ${isRunning.value &&
      html`<p class="sign" id="sign" data-sign=${value.sign}>
        <${Icon} name=${value.paused ? 'pause' : 'live'} /><span>${sign || t('panel.sign.off')}</span>
        ${elapsedS.value !== null && html`<span class="elapsed" id="elapsed" aria-label=${t('panel.elapsed')} role="timer">${clock(elapsedS.value)}</span>`}
      </p>`}
      <${RecordingSign} />
    </div>
    ${!isRunning.value && value.state !== 'ending' && html`<${AllWell} />`}
    <div class="tools">
      <button class="button quiet" id="theme" aria-label=${t('panel.theme.' + theme.value)} title=${t('panel.theme.' + theme.value)} onClick=${nextTheme}>
        <${Icon} name=${THEME_ICON[theme.value]} />
      </button>
      <button class="button quiet" id="lang" lang=${say().lang === 'fr' ? 'en' : 'fr'} onClick=${switchLanguage}>${t('panel.other-language')}</button>
      <button class="button" id="help" onClick=${() => (isHelping.value = true)}><${Icon} name="help" /><span>${t('panel.help')}</span></button>
    </div>
  </header>`;
};

/** What is wrong around the lesson, one sentence each; the lesson itself goes on. */
const Banners = () => {
  const { value } = view;
  const time = lostAt.value === null ? '' : say().duration((now.value - lostAt.value) / 1000);
  return html`<section class="banners" aria-label=${t('panel.banners')}>
    ${lostAt.value !== null &&
    now.value - lostAt.value > 1500 &&
    html`<p class="banner bad" id="line-banner"><${Icon} name="warning" /><span>${t('panel.line.lost', { time })}</span></p>`}
    ${value &&
    value.centre !== 'connected' &&
    html`<p class="banner" id="centre-banner">
      <${Icon} name="network" />
      <span>
        ${t('panel.centre.' + value.centre + (isRunning.value ? '.running' : '.idle'), {
          since: value.centre_since ? say().time(value.centre_since) : '–',
        })}
      </span>
    </p>`}
    ${value && html`<${CheckBanners} onMore=${() => (isHelping.value = true)} />`}
    <${StartFindings} />
    ${refusal.value &&
    !isHelping.value &&
    !isAskingPin.value &&
    html`<p class="banner bad" id="refusal" role="alert">
      <${Icon} name="warning" />
      <span>${say().error(refusal.value.code)} <small>${t('error.code-note', { code: refusal.value.code })}</small></span>
      <button class="button quiet" aria-label=${t('close')} onClick=${() => (refusal.value = null)}><${Icon} name="bad" /></button>
    </p>`}
    <${MicrophoneQuestion} />
    <p class="only-read" role="status">${lostAt.value !== null ? t('panel.line.lost.announce') : ''}</p>
  </section>`;
};

const Proposal = () => {
  const proposal = view.value && view.value.proposal;
  if (!proposal || isRunning.value) return null;
  const refuse = () => answerProposal(proposal.id, false);
  return html`<${Dialog} title=${t('panel.proposal.title')} className="proposal" onClose=${refuse}>
    <p>${t('panel.proposal', { actor: proposal.actor })}</p>
    <p class="countdown" id="countdown" role="timer" aria-label=${t('panel.proposal.left')}>${clock(Math.ceil(proposalS.value))}</p>
    <p class="hint">${t('panel.proposal.hint')}</p>
    <div class="row">
      <button class="button" id="proposal-no" data-first onClick=${refuse} aria-disabled=${isBusy('proposal')}>${t('panel.proposal.no')}</button>
      <button class="button primary" id="proposal-yes" onClick=${() => answerProposal(proposal.id, true)} aria-disabled=${isBusy('proposal')}>
        <${Icon} name="play" /><span>${t('panel.start')}</span>
      </button>
    </div>
  <//>`;
};

/** After a power cut nothing goes on by itself: somebody in the room says so. */
const Interrupted = () => {
  const interrupted = view.value && view.value.interrupted;
  if (!interrupted || isRunning.value) return null;
  const stay = () => undefined; // Escape must not throw a lesson away
  return html`<${Dialog} title=${t('panel.interrupted.title')} className="interrupted" onClose=${stay}>
    <p>${t('panel.interrupted', { started: say().time(interrupted.started_at), at: say().time(interrupted.interrupted_at) })}</p>
    <p class="hint">${t('panel.interrupted.hint')}</p>
    <div class="row">
      <button class="button" id="interrupted-no" onClick=${dropInterrupted} aria-disabled=${isBusy('drop')}>${t('panel.interrupted.no')}</button>
      <button class="button primary" id="interrupted-yes" data-first onClick=${resume} aria-disabled=${isBusy('resume')}>
        <${Icon} name="play" /><span>${t('panel.interrupted.yes')}</span>
      </button>
    </div>
  <//>`;
};

/** What a device is called, with its own name where there are several of its kind. @param {DeviceReport} device */
function nameOf(device) {
  const { value } = view;
  const isAlone = !value || value.devices.filter((other) => other.role === device.role).length === 1;
  return isAlone ? t('role.' + device.role) : t('panel.one-of', { role: t('role.' + device.role), name: device.name });
}

const Help = () => {
  const { value } = view;
  if (!isHelping.value || !value) return null;
  const close = () => (isHelping.value = false);
  const ill = value.devices.filter((device) => device.problem);
  const motor = value.ptz && value.ptz.problem ? motorProblem(value.ptz) : '';
  const found = startFindings();
  return html`<${Dialog} title=${t('panel.help.title')} className="help" onClose=${close}>
    <p>${t('panel.help.call')}</p>
    <p class="help-room"><span>${t('panel.help.room')}</span><strong>${value.room_name}</strong><small>${value.room}</small></p>
    <h3>${t('panel.help.problems')}</h3>
    ${value.problem || ill.length || motor || value.checks.length || found.length
      ? html`<ul>
          ${value.problem && html`<li>${say().error(value.problem.code)} <small>${t('error.code-note', { code: value.problem.code })}</small></li>`}
          ${ill.map(
            (device) => html`<li>
              ${t('panel.said-of', { what: nameOf(device), said: deviceProblem(device) })} <small>${t('error.code-note', { code: (device.problem || { code: '' }).code })}</small>
            </li>`,
          )}
          <${CheckLines} />
          ${found.map((step) => html`<${Finding} key=${step.id} step=${step} />`)}
          ${motor && html`<li>${motor} <small>${t('error.code-note', { code: (value.ptz && value.ptz.problem ? value.ptz.problem : { code: '' }).code })}</small></li>`}
        </ul>`
      : html`<p>${t('panel.help.none')}</p>`}
    <p class="hint">${t(value.centre === 'connected' ? 'panel.help.seen' : 'panel.help.unseen')}</p>
    ${!value.viewers.some((viewer) => viewer.is_connected) && html`<${NormalState} />`}
    <div class="row"><button class="button primary" id="help-close" data-first onClick=${close}>${t('close')}</button></div>
  <//>`;
};

const Loading = () =>
  html`<main class="loading" aria-busy="true">
    <div class="skeleton wide"></div>
    <div class="skeleton"></div>
    ${now.value - openedAt > SLOW_MS && html`<p role="status">${t('panel.loading.slow')}</p>`}
  </main>`;

/** A browser that the room's screen did not let in. */
const Shut = () =>
  html`<main class="loading" id="shut">
    <h1>${t('panel.shut')}</h1>
    <p>${t('panel.shut.do')}</p>
    <span class="code-note">${t('error.code-note', { code: 'panel-token' })}</span>
  </main>`;

/** @type {Record<string, any>} */
const VIEWS = { idle: Idle, failed: Idle, preparing: Preparing, live: Live, degraded: Live, ending: Ending };

const App = () => {
  const { value } = view;
  if (isShut.value) return html`<div class="page"><${Shut} /></div>`;
  if (!value) return html`<div class="page"><${Banners} /><${Loading} /></div>`;
  document.title = t('panel.page.' + (!isRunning.value ? 'idle' : value.paused ? 'paused' : 'live'), { room: value.room_name });
  return html`<div class="page" id="panel" data-state=${value.state} data-sign=${value.sign} data-stale=${lostAt.value !== null}>
      <${Top} />
      <${Banners} />
      <main id="main"><${VIEWS[value.state]} /></main>
      <${CameraDialog} />
      <${StopQuestion} />
      <${MicrophoneChoice} />
      <${RecordingQuestion} />
      <${Recordings} />
      <${PupilsDialog} />
      <${Interrupted} />
      <${Proposal} />
      <${LargeQr} />
      <${PinQuestion} />
      <${Help} />
    </div>
    <${Sheet} />`;
};

begin().then(() => {
  const root = /** @type {HTMLElement} */ (document.getElementById('app'));
  root.textContent = '';
  render(html`<${App} />`, root);
});
