// Where a room has several microphones: which one is heard, the choice, and the question whether a better one be taken.

import { html } from 'htm/preact';
import { signal } from '@preact/signals';
import { Dialog, Icon } from './parts.js';
import { declineMicrophone, isBusy, isRunning, t, takeMicrophone, view } from './store.js';

/** @typedef {import('../lib/protocol').PanelMicrophones} PanelMicrophones */

const isChoosing = signal(false);

const microphones = () => (isRunning.value && view.value ? view.value.microphones : null);

/** @param {PanelMicrophones} choice @param {string} id */
const nameOf = (choice, id) => (choice.all.find((one) => one.id === id) || { name: id }).name;

/** What the teacher should know of it in one sentence; empty when the wanted one is heard. */
export function microphoneFact() {
  const choice = microphones();
  const heard = choice && choice.all.find((one) => one.is_in_use);
  if (!choice || !heard || heard.id === choice.wanted || !heard.is_alive) return '';
  const isBack = choice.all.some((one) => one.id === choice.wanted && one.is_alive);
  return t(isBack ? 'panel.fact.returning' : 'panel.fact.replaced', { wanted: nameOf(choice, choice.wanted), heard: heard.name });
}

export const MicrophoneButton = () =>
  microphones() &&
  html`<button class="button" id="microphones" onClick=${() => (isChoosing.value = true)}>
    <${Icon} name="microphone" /><span>${t('panel.microphones')}</span>
  </button>`;

/** Beside the lesson, never above it: the teacher answers when there is a moment. */
export const MicrophoneQuestion = () => {
  const choice = microphones();
  const heard = choice && choice.all.find((one) => one.is_in_use);
  if (!choice || !heard || !choice.proposal) return null;
  const { proposal } = choice;
  return html`<div class="banner" id="microphone-question" role="status">
    <${Icon} name="microphone" />
    <span>${t('panel.microphones.better', { name: nameOf(choice, proposal), heard: heard.name })}</span>
    <button class="button" id="microphone-no" onClick=${() => declineMicrophone(proposal)} aria-disabled=${isBusy('microphone')}>
      ${t('panel.microphones.not-now')}
    </button>
    <button class="button primary" id="microphone-yes" onClick=${() => takeMicrophone(proposal)} aria-disabled=${isBusy('microphone')}>
      ${t('panel.microphones.take')}
    </button>
  </div>`;
};

export const MicrophoneChoice = () => {
  const choice = microphones();
  if (!isChoosing.value || !choice) {
    if (isChoosing.peek()) queueMicrotask(() => (isChoosing.value = false));
    return null;
  }
  const close = () => (isChoosing.value = false);
  /** @param {string} id */
  const take = async (id) => {
    if (await takeMicrophone(id)) close();
  };
  return html`<${Dialog} title=${t('panel.microphones.title')} className="microphones" onClose=${close}>
    <ul class="microphone-list">
      ${choice.all.map((one) => {
        const how = !one.is_alive ? 'dead' : one.is_in_use ? 'heard' : 'alive';
        return html`<li key=${one.id}>
          <button
            class="button"
            data-microphone=${one.id}
            data-how=${how}
            data-first=${one.is_in_use || null}
            aria-pressed=${one.is_in_use}
            aria-disabled=${!one.is_alive || isBusy('microphone')}
            onClick=${() => one.is_alive && take(one.id)}
          >
            <${Icon} name=${how === 'heard' ? 'ok' : how === 'dead' ? 'bad' : 'microphone'} />
            <span class="device-words"><strong>${one.name}</strong><span>${t('panel.microphones.' + how)}</span></span>
          </button>
        </li>`;
      })}
    </ul>
    <p class="hint">${t('panel.microphones.hint')}</p>
    <button class="button primary" onClick=${close}>${t('close')}</button>
  <//>`;
};
