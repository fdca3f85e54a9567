// The screen of a teacher's own computer in the board's place: the code for it, how it stands, and the way back.

import { html } from 'htm/preact';
import { clock } from '../lib/i18n.js';
import { askPin } from './access.js';
import { Icon } from './parts.js';
import { endScreen, isBusy, offerScreen, screenS, t, view } from './store.js';

/** Among the acts; it keeps its place while a screen is offered or shown, so that nothing jumps. */
export const ScreenButton = () => {
  const { value } = view;
  if (!value) return null;
  const isTaken = value.screen !== null;
  const ask = () => {
    if (!isTaken) value.pin === 'locked' ? askPin() : offerScreen();
  };
  return html`<button class="button" id="screen-offer" aria-disabled=${isTaken || isBusy('screen')} onClick=${ask}>
    <${Icon} name="screen" /><span>${t('panel.screen.offer')}</span>
  </button>`;
};

/** Whether another computer's screen stands in the board's place, seen by pupils or not. */
export const isShared = () => !!view.value && !!view.value.screen && view.value.screen.state === 'shown';

/** The words for how a connected screen stands: what pupils see of it is said here, and nowhere else. @param {string} state */
function stands(state) {
  const { value } = view;
  if (!value) return '';
  if (!value.on_air.board) return t('panel.screen.' + state + '.hidden');
  if (state !== 'shown') return t('panel.screen.' + state);
  return t(value.paused ? 'panel.screen.shown.paused' : value.frozen ? 'panel.screen.frozen' : 'panel.screen.shown');
}

/** What to type where, or what is shown; one press ends it. */
export const SharedScreen = () => {
  const { value } = view;
  const screen = value && value.screen;
  if (!screen) return null;
  const isOffered = screen.state === 'offered';
  if (isOffered && !screenS.value) return null; // it has run out, and the room says so in a moment
  return html`<section class="speaking screen" id="screen" data-screen=${screen.state} aria-label=${t('panel.screen')}>
    <${Icon} name="screen" />
    ${isOffered && screen.code
      ? html`<p role="status">
          ${t('panel.screen.offered')} <strong class="address" id="screen-address">${(screen.address || '').replace(/^https?:\/\//, '')}</strong>${' '}
          ${t('panel.screen.type')} <strong class="code" id="screen-code">${screen.code}</strong>
        </p>`
      : html`<p role="status">${isOffered ? t('panel.screen.hidden') : stands(screen.state)}</p>`}
    ${isOffered && html`<span role="timer" aria-label=${t('panel.screen.left')}>${clock(Math.ceil(screenS.value))}</span>`}
    <button class=${'button' + (isOffered ? '' : ' end')} id="screen-end" aria-disabled=${isBusy('screen')} onClick=${endScreen}>
      <${Icon} name=${isOffered ? 'bad' : 'board'} /><span>${t(isOffered ? 'panel.screen.cancel' : 'panel.screen.end')}</span>
    </button>
  </section>`;
};
