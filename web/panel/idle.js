// Before, between and after lessons: the big button, what it will use, what happened last.

import { html } from 'htm/preact';
import { signal } from '@preact/signals';
import { Access } from './access.js';
import { worstOf } from './checks.js';
import { CameraButton } from './camera.js';
import { Icon, STATUS_ICON } from './parts.js';
import { RecordingsButton } from './recording.js';
import { isTesting, SelfTest, TestButton } from './selftest.js';
import { isBusy, say, start, t, tn, view } from './store.js';

/** @typedef {import('../lib/protocol').PanelSummary} PanelSummary */
/** @typedef {import('../lib/protocol').DeviceReport} DeviceReport */

/** The lesson whose summary was read and put away. */
const readSummary = signal('');

/** The sentence for what ails a device. @param {DeviceReport} device */
export function deviceProblem(device) {
  if (!device.problem) return '';
  const key = 'panel.device.' + device.problem.code;
  return say().has(key) ? t(key) : t('panel.device.device-failed');
}

export const Idle = () => {
  const { value } = view;
  if (!value) return null;
  const hasFailed = value.state === 'failed';
  return html`<div class="idle">
    <div class="idle-main">
      ${!isTesting() && html`<${Summary} />`}
      ${hasFailed &&
      html`<div class="problem" role="alert">
        <p><strong>${t('panel.failed')}</strong></p>
        <p>${value.problem ? say().error(value.problem.code) : t('panel.failed.do')}</p>
        ${value.problem && html`<span class="code-note">${t('error.code-note', { code: value.problem.code })}</span>`}
      </div>`}
      <button class="start" id="start" onClick=${start} aria-disabled=${isBusy('start')}>
        <${Icon} name="play" /><span>${t(isBusy('start') ? 'panel.starting' : hasFailed ? 'panel.start.again' : 'panel.start')}</span>
      </button>
      ${isTesting() ? html`<${SelfTest} />` : html`<${Devices} />
            <div class="idle-acts"><${CameraButton} /><${TestButton} /><${RecordingsButton} /></div>`}
    </div>
    <${Access} />
  </div>`;
};

/** What Start will use, each with a shape and a word. */
const Devices = () => {
  const { value } = view;
  if (!value) return null;
  const roles = /** @type {const} */ (['camera', 'microphone', 'board']);
  const shown = roles.map((role) => value.devices.find((device) => device.role === role)).filter((device) => device !== undefined);
  const isConnected = value.centre === 'connected';
  return html`<ul class="devices" aria-label=${t('panel.devices')}>
    ${shown.map(
      (device) => {
        const checked = worstOf(device.role);
        const status = device.problem ? device.status : checked || device.status;
        return html`<li key=${device.id} data-status=${status}>
          <${Icon} name=${device.role} />
          <span class="device-words">
            <strong>${t('role.' + device.role)}</strong>
            <span>${deviceProblem(device) || t(checked ? 'panel.status.checked' : 'panel.status.' + device.status)}</span>
          </span>
          <${Icon} name=${STATUS_ICON[status]} />
        </li>`;
      },
    )}
    <li data-status=${isConnected ? 'ok' : 'warning'}>
      <${Icon} name="network" />
      <span class="device-words">
        <strong>${t('role.network')}</strong>
        <span>${t('panel.centre.' + value.centre + '.short')}</span>
      </span>
      <${Icon} name=${isConnected ? 'ok' : 'warning'} />
    </li>
  </ul>`;
};

const Summary = () => {
  const summary = view.value && view.value.summary;
  if (!summary || readSummary.value === summary.lesson) return null;
  const { lang } = say();
  const nothing = summary.problems.length === 0;
  return html`<section class="summary card" aria-labelledby="summary-title" data-status=${nothing ? 'ok' : 'warning'}>
    <${Icon} name=${nothing ? 'ok' : 'warning'} />
    <div>
      <h2 id="summary-title">${t('panel.summary.title')}</h2>
      <p>
        ${t('panel.summary', {
          duration: say().duration(summary.duration_s),
          pupils: summary.viewers_most ? tn('panel.summary.pupils', summary.viewers_most) : t('panel.summary.nobody'),
        })}${' '}${nothing && t('panel.summary.fine')}
      </p>
      ${!nothing && html`<ul>${summary.problems.map((problem) => html`<li>${problem[lang]}</li>`)}</ul>`}
    </div>
    <button class="button quiet" id="summary-read" aria-label=${t('panel.summary.read')} onClick=${() => (readSummary.value = summary.lesson)}>
      <${Icon} name="bad" />
    </button>
  </section>`;
};
