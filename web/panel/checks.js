// What the room's own checks say: banners with what to do, the one line while idle, and recording what is normal.

import { html } from 'htm/preact';
import { effect, signal } from '@preact/signals';
import { Icon, STATUS_ICON } from './parts.js';
import { isBusy, recordNormal, refusal, say, t, tn, view } from './store.js';

/** @typedef {import('../lib/protocol').Check} Check */

/** More than this at once would be a wall of words; the rest is behind a touch. */
const MOST = 3;

/** The sentence of a check, in the page's language. @param {Check} check */
const sentence = (check) => (check.message ? check.message[say().lang] : check.id);
/** @param {Check} check */
const remedy = (check) => (check.remedy ? check.remedy[say().lang] : '');

/** Said once, when something new is wrong; nothing is said of what goes. */
const spoken = signal('');
/** What was wrong a moment ago, by id and status. @type {Set<string>} */
let known = new Set();
effect(() => {
  const checks = view.value ? view.value.checks : [];
  const fresh = checks.filter((check) => !known.has(check.id + check.status));
  known = new Set(checks.map((check) => check.id + check.status));
  if (fresh.length) spoken.value = fresh.map((check) => [sentence(check), remedy(check)].join(' ')).join(' ');
  else if (!checks.length) spoken.value = '';
});

/** One banner for each of the worst, in the order that the room gives them. @param {{onMore: () => void}} props */
export const CheckBanners = ({ onMore }) => {
  const checks = view.value ? view.value.checks : [];
  const more = checks.length - MOST;
  return html`${checks.slice(0, MOST).map(
      (check) => html`<p class=${'banner check' + (check.status === 'critical' ? ' bad' : '')} key=${check.id} data-check=${check.id}>
        <${Icon} name=${check.status === 'critical' ? 'bad' : 'warning'} />
        <span><strong>${sentence(check)}</strong> <span class="remedy">${remedy(check)}</span></span>
      </p>`,
    )}
    ${more > 0 && html`<button class="button more" id="checks-more" key="more" onClick=${onMore}>${tn('panel.checks.more', more)}</button>`}
    <p class="only-read" key="spoken" id="checks-spoken" role="status">${spoken.value}</p>`;
};

/** Every check that is wrong, for the help page. */
export const CheckLines = () => {
  const checks = view.value ? view.value.checks : [];
  return checks.map(
    (check) => html`<li key=${check.id}>${sentence(check)} ${remedy(check)} <small>${t('error.code-note', { code: check.id })}</small></li>`,
  );
};

/** How the ids of a role's checks begin. @type {Record<string, string>} */
const PREFIX = { camera: 'picture-', microphone: 'sound-', board: 'board-' };
/** The worst that checks say of a device: '' while they say nothing. @param {string} role @returns {'' | 'warning' | 'critical'} */
export function worstOf(role) {
  const found = (view.value ? view.value.checks : []).filter((check) => check.id.startsWith(PREFIX[role] || '?'));
  return found.some((check) => check.status === 'critical') ? 'critical' : found.length ? 'warning' : '';
}

/** How many things are wrong while nobody teaches: devices that fail, checks, and the line to the centre. */
function wrong() {
  const { value } = view;
  if (!value) return { count: 0, status: 'ok' };
  const ill = value.devices.filter((device) => device.problem).length;
  const away = value.centre === 'connected' ? 0 : 1;
  const isBad = ill > 0 || value.state === 'failed' || value.checks.some((check) => check.status === 'critical');
  const count = ill + away + value.checks.length + (value.state === 'failed' ? 1 : 0);
  return { count, status: isBad ? 'critical' : count ? 'warning' : 'ok' };
}

/** The line at the top while idle: all is well, or how much is not. */
export const AllWell = () => {
  const { count, status } = wrong();
  return html`<p class="well" id="well" data-status=${status}>
    <${Icon} name=${STATUS_ICON[status]} /><span>${count ? tn('panel.well.wrong', count) : t('panel.well')}</span>
  </p>`;
};

/** What recording came to: '', 'done' or 'refused'. */
const came = signal('');

/** For whoever looks after the room: how it looks and sounds when empty and lit is what later looks are held against. */
export const NormalState = () => {
  const at = view.value && view.value.normal_at;
  const record = async () => {
    came.value = '';
    came.value = (await recordNormal()) ? 'done' : 'refused';
  };
  const doing = isBusy('normal');
  const code = refusal.value ? refusal.value.code : '';
  const why = say().has('panel.normal.' + code) ? t('panel.normal.' + code) : say().error(code);
  return html`<section class="normal" aria-labelledby="normal-title">
    <h3 id="normal-title">${t('panel.normal')}</h3>
    <p>${t('panel.normal.hint')}</p>
    <button class="button" id="normal" onClick=${record} aria-disabled=${doing}>
      <${Icon} name="camera" /><span>${t(doing ? 'panel.normal.doing' : 'panel.normal.do')}</span>
    </button>
    <p class="hint" id="normal-outcome" role="status">
      ${came.value === 'done'
        ? t('panel.normal.done')
        : came.value === 'refused'
          ? html`${why} <small>${t('error.code-note', { code })}</small>`
          : at
            ? t('panel.normal.at', { at: say().dayAndTime(at) })
            : t('panel.normal.never')}
    </p>
  </section>`;
};
