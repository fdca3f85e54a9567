// The pupil who speaks: who it is, whether it is heard, how loud, and the one press that ends it.

import { html } from 'htm/preact';
import { useRef } from 'preact/hooks';
import { useSignalEffect } from '@preact/signals';
import { Icon } from './parts.js';
import { aboutPupils, isBusy, level, t, view } from './store.js';

const FLOOR_DBFS = -60;

export const Speaking = () => {
  const { value } = view;
  const talk = value && value.talk;
  if (!value || !talk) return null;
  const isMuted = !value.on_air.sound && talk.state !== 'paused';
  const name = talk.name || t('panel.talk.somebody');
  return html`<section class="speaking" id="speaking" data-talk=${talk.state} aria-label=${t('panel.talk')}>
    <${Icon} name=${talk.state === 'invited' ? 'hand' : 'microphone'} />
    <p role="status">
      <strong>${name}</strong> <span>${t('panel.talk.' + talk.state)}</span>
      ${isMuted && html` <span>${t('panel.talk.muted')}</span>`}
    </p>
    ${talk.state !== 'invited' && html`<${PupilMeter} />`}
    <button class="button end" id="talk-end" aria-disabled=${isBusy('lower')} onClick=${() => aboutPupils('lower', { pupil: talk.pupil })}>
      <${Icon} name="microphone-off" /><span>${t('panel.talk.end')}</span>
    </button>
  </section>`;
};

const PupilMeter = () => {
  const fill = useRef(/** @type {HTMLElement | null} */ (null));
  const box = useRef(/** @type {HTMLElement | null} */ (null));
  useSignalEffect(() => {
    const { value } = level;
    if (!fill.current || !box.current) return;
    const db = value && value.pupil_dbfs != null ? Math.max(FLOOR_DBFS, value.pupil_dbfs) : FLOOR_DBFS;
    fill.current.style.transform = `scaleX(${(1 - db / FLOOR_DBFS).toFixed(3)})`;
    box.current.setAttribute('aria-valuenow', String(Math.round(db / 6) * 6));
  });
  return html`<div class="meter" ref=${box} role="meter" aria-label=${t('panel.talk.meter')} aria-valuemin=${FLOOR_DBFS} aria-valuemax="0" aria-valuenow=${FLOOR_DBFS}>
    <span class="fill" ref=${fill}></span>
  </div>`;
};
