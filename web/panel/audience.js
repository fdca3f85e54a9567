// The pupils: what calls the teacher beside the lesson, and the dialog in which everything about them is done.

import { html } from 'htm/preact';
import { effect, signal } from '@preact/signals';
import { Dialog, Icon } from './parts.js';
import { aboutPupils, isBusy, isRunning, say, sinceS, t, tn, view } from './store.js';

/** @typedef {import('../lib/protocol').PanelAudience} PanelAudience */
/** @typedef {import('../lib/protocol').PanelViewer} PanelViewer */

/** A second touch sooner than this is the same touch of a tired finger, not a decision. */
const DELIBERATE_MS = 500;

/** Whether the dialog is open, and with what first. @type {import('@preact/signals').Signal<'' | 'all' | 'questions'>} */
const opened = signal('');
/** The pupil about whom it was asked whether to remove, and when. @type {import('@preact/signals').Signal<{pupil: string, at: number} | null>} */
const removing = signal(null);
/** Said once to those who do not look. */
const spoken = signal('');

const audience = () => (isRunning.value && view.value ? view.value.audience : null);

/** @param {string} name */
const named = (name) => name || t(view.value && view.value.pin === 'locked' ? 'panel.pupils.hidden' : 'panel.pupils.unnamed');

/** What was there at the last look, so that only what is new is spoken. @type {Set<string>} */
let known = new Set();
effect(() => {
  const now = audience();
  const calls = now
    ? [
        ...now.knocking.map((one) => ({ id: 'k' + one.pupil, text: t('panel.audience.says.knock', { name: named(one.name) }) })),
        ...now.hands.map((one) => ({ id: 'h' + one.pupil, text: t('panel.audience.says.hand', { name: named(one.name) }) })),
        ...now.questions.map((one) => ({ id: 'q' + one.pupil + one.id, text: t('panel.audience.says.question', { name: named(one.name) }) })),
      ]
    : [];
  const fresh = calls.filter((one) => !known.has(one.id));
  known = new Set(calls.map((one) => one.id));
  if (fresh.length) spoken.value = fresh.map((one) => one.text).join(' ');
  else if (!calls.length) spoken.value = '';
});

/** @param {string} what @param {object} [body] */
const act = (what, body) => (what === 'remove' ? (removing.value = null) : null, aboutPupils(what, body || {}));

/** A button about one pupil: its word, and for those who do not see the row, whose it is. */
const Act = (
  /** @type {{what: string, words: string, name?: string, body?: object, primary?: boolean}} */ { what, words, name, body, primary },
) => html`<button
  class=${'button' + (primary ? ' primary' : '')}
  data-act=${what}
  aria-label=${name ? t('panel.said-of', { what: t(words), said: name }) : null}
  aria-disabled=${isBusy(what)}
  onClick=${() => act(what, body)}
>
  ${t(words)}
</button>`;

// --- beside the lesson ---------------------------------------------------------------------------------------------

/** What waits for the teacher, each in one line with the one act that is meant most; the rest is in the dialog. */
export const Calls = () => {
  const now = audience();
  if (!now) return null;
  const called = now.hands.find((one) => one.is_taken);
  const raised = now.hands.filter((one) => !one.is_taken);
  const [knock] = now.knocking;
  return html`<div class="calls" role="group" aria-label=${t('panel.audience.calls')}>
    ${knock &&
    html`<p class="call" data-call="knock" key="knock">
      <${Icon} name="door" /><span><strong>${named(knock.name)}</strong> ${t('panel.audience.knocks')}<${More} n=${now.knocking.length - 1} /></span>
      <${Act} what="admit" words="panel.audience.admit" name=${named(knock.name)} body=${{ pupil: knock.pupil }} primary />
    </p>`}
    ${called &&
    !(view.value && view.value.talk) && // else it is said with the microphone
    html`<p class="call" data-call="called" key="called">
      <${Icon} name="hand" /><span><strong>${named(called.name)}</strong> ${t('panel.audience.called')}</span>
      <${Act} what="lower" words="panel.audience.lower" name=${named(called.name)} body=${{ pupil: called.pupil }} />
    </p>`}
    ${raised.length > 0 &&
    html`<p class="call" data-call="hand" key="hand">
      <${Icon} name="hand" /><span><strong>${named(raised[0].name)}</strong><${More} n=${raised.length - 1} />${isUnheard() && html` <small class="unheard">${t('panel.audience.no-loudspeaker')}</small>`}</span>
      <${Act} what="take" words="panel.audience.take" name=${named(raised[0].name)} body=${{ pupil: raised[0].pupil }} primary />
    </p>`}
    ${now.questions.length > 0 &&
    html`<p class="call" data-call="question" key="question">
      <${Icon} name="question" /><span>${tn('panel.audience.questions', now.questions.length)}</span>
      <button class="button" data-act="read" onClick=${() => (opened.value = 'questions')}>${t('panel.audience.read')}</button>
    </p>`}
    <${Reactions} />
    <p class="only-read" id="calls-spoken" role="status">${spoken.value}</p>
  </div>`;
};

/** Whether the room would not hear who speaks: said beside a hand before it is taken. */
const isUnheard = () => !!view.value && view.value.has_loudspeaker === false;

const More = (/** @type {{n: number}} */ { n }) => n > 0 && html` <small>${t('panel.audience.more', { n: say().number(n) })}</small>`;

/** How many showed what, for some seconds. */
const Reactions = () => {
  const now = audience();
  if (!now || !now.reactions.length) return null;
  return html`<ul class="reactions">
    ${now.reactions.map(
      (one) => html`<li key=${one.kind} data-kind=${one.kind}>
        <${Icon} name=${'react-' + one.kind} /><span>${t('panel.reaction.' + one.kind)}</span> <strong>${say().number(one.count)}</strong>
      </li>`,
    )}
  </ul>`;
};

/** Whether a pupil said that it does not hear. @param {PanelViewer} viewer */
function troubleOf(viewer) {
  const now = audience();
  return now && now.troubles.find((one) => one.pupil === viewer.pupil);
}

/** What a pupil says of itself, beside its name in the list. */
export const PupilMark = (/** @type {{viewer: PanelViewer}} */ { viewer }) => {
  const now = audience();
  const trouble = troubleOf(viewer);
  const place = now ? now.hands.findIndex((one) => one.pupil === viewer.pupil) + 1 : 0;
  return html`${place > 0 && html`<span class="mark"><${Icon} name="hand" /><span class="only-read">${t('panel.audience.hand')}</span></span>`}
  ${trouble && html`<span class="how trouble">${foundWords(trouble.found)}</span>`}`;
};

/** What a pupil's page found when it could not hear; a newer page's finding has no words here. @param {string} found */
const foundWords = (found) => t(say().has('panel.trouble.' + found) ? 'panel.trouble.' + found : 'panel.trouble.other');

export const PupilsButton = () => {
  const now = audience();
  if (!now) return null;
  return html`<button class="button aim" id="pupils" onClick=${() => (opened.value = 'all')}>
    <${Icon} name=${now.is_locked ? 'lock' : 'people'} /><span>${t('panel.audience.button')}</span>
  </button>`;
};

// --- the dialog ----------------------------------------------------------------------------------------------------

export const PupilsDialog = () => {
  const now = audience();
  if (!opened.value || !now || !view.value) {
    if (opened.peek()) queueMicrotask(() => (opened.value = ''));
    return null;
  }
  const close = () => ((removing.value = null), (opened.value = ''));
  const there = view.value.viewers.filter((viewer) => viewer.is_connected && viewer.pupil);
  return html`<${Dialog} title=${t('panel.audience.title')} className="pupils-dialog" onClose=${close}>
    <div class="door">
      <button class="button toggle" data-act="lock" data-off=${now.is_locked} aria-pressed=${now.is_locked} aria-disabled=${isBusy('lock')} onClick=${() => act('lock', { on: !now.is_locked })}>
        <${Icon} name="lock" /><span>${t(now.is_locked ? 'panel.audience.unlock' : 'panel.audience.lock')}</span>
      </button>
      <button class="button toggle" data-act="lobby" data-off=${now.has_lobby} aria-pressed=${now.has_lobby} aria-disabled=${isBusy('lobby')} onClick=${() => act('lobby', { on: !now.has_lobby })}>
        <${Icon} name="door" /><span>${t(now.has_lobby ? 'panel.audience.no-lobby' : 'panel.audience.lobby')}</span>
      </button>
    </div>
    <p class="hint" role="status">${doorWords(now)}</p>
    <${Reactions} />
    ${opened.value === 'questions' && html`<${Questions} key="questions" now=${now} />`}
    ${(now.has_lobby || now.knocking.length > 0) && html`<${Knocking} now=${now} />`}
    <${Hands} now=${now} />
    ${opened.value === 'all' && html`<${Questions} key="questions" now=${now} />`}
    <section aria-labelledby="there-title">
      <h3 id="there-title">${there.length ? tn('panel.pupils', there.length) : t('panel.pupils.none')}</h3>
      <ul class="pupil-list">
        ${there.map((viewer) => html`<${There} key=${viewer.pupil} viewer=${viewer} />`)}
      </ul>
    </section>
    <div class="row"><button class="button primary" id="pupils-close" data-first onClick=${close}>${t('close')}</button></div>
  <//>`;
};

/** @param {PanelAudience} now */
function doorWords(now) {
  const code = now.is_code_old ? ' ' + t(view.value && view.value.centre === 'connected' ? 'panel.audience.code-changes' : 'panel.audience.code-waits') : '';
  return t(now.is_locked ? 'panel.audience.is-locked' : now.has_lobby ? 'panel.audience.has-lobby' : 'panel.audience.is-open') + code;
}

/** @param {number} seconds */
const since = (seconds) => t('panel.audience.since', { time: say().duration(sinceS(seconds)) });

const Knocking = (/** @type {{now: PanelAudience}} */ { now }) =>
  html`<section aria-labelledby="knocking-title">
    <h3 id="knocking-title">${t('panel.audience.knocking', { n: say().number(now.knocking.length) })}</h3>
    ${!now.knocking.length && html`<p class="hint">${t('panel.audience.knocking.none')}</p>`}
    <ul class="pupil-list">
      ${now.knocking.map(
        (one) => html`<li key=${one.pupil}>
          <span class="who"><strong>${named(one.name)}</strong> <small>${since(one.since_s)}</small></span>
          <${Act} what="refuse" words="panel.audience.refuse" name=${named(one.name)} body=${{ pupil: one.pupil }} />
          <${Act} what="admit" words="panel.audience.admit" name=${named(one.name)} body=${{ pupil: one.pupil }} primary />
        </li>`,
      )}
    </ul>
    ${now.knocking.length > 1 && html`<div class="row"><${Act} what="admit-all" words="panel.audience.admit-all" /></div>`}
  </section>`;

const Hands = (/** @type {{now: PanelAudience}} */ { now }) =>
  html`<section aria-labelledby="hands-title">
    <h3 id="hands-title">${t('panel.audience.hands', { n: say().number(now.hands.length) })}</h3>
    ${!now.hands.length && html`<p class="hint">${t('panel.audience.hands.none')}</p>`}
    ${now.hands.length > 0 && isUnheard() && html`<p class="hint">${t('panel.audience.no-loudspeaker')}</p>`}
    <ol class="pupil-list">
      ${now.hands.map(
        (one) => html`<li key=${one.pupil} data-taken=${one.is_taken}>
          <span class="who">
            <strong>${named(one.name)}</strong> <small>${one.is_taken ? t('panel.audience.called') : since(one.since_s)}</small>
          </span>
          <${Act} what="lower" words="panel.audience.lower" name=${named(one.name)} body=${{ pupil: one.pupil }} />
          ${!one.is_taken && html`<${Act} what="take" words="panel.audience.take" name=${named(one.name)} body=${{ pupil: one.pupil }} primary />`}
        </li>`,
      )}
    </ol>
    ${now.hands.length > 1 && html`<div class="row"><${Act} what="lower-all" words="panel.audience.lower-all" /></div>`}
  </section>`;

const Questions = (/** @type {{now: PanelAudience}} */ { now }) =>
  html`<section aria-labelledby="questions-title">
    <h3 id="questions-title">${t('panel.audience.asked', { n: say().number(now.questions.length) })}</h3>
    ${!now.questions.length && html`<p class="hint">${t('panel.audience.asked.none')}</p>`}
    <ul class="pupil-list">
      ${now.questions.map(
        (one) => html`<li key=${one.pupil + one.id}>
          <span class="who">
            <strong>${named(one.name)}</strong> <small>${since(one.since_s)}</small>
            <span class="asked">${one.text || t('panel.audience.asked.hidden')}</span>
          </span>
          <${Act} what="answered" words="panel.audience.answered" name=${named(one.name)} body=${{ pupil: one.pupil, id: one.id }} />
        </li>`,
      )}
    </ul>
  </section>`;

/** One who is in class; removing takes a second, deliberate touch. */
const There = (/** @type {{viewer: PanelViewer}} */ { viewer }) => {
  const name = named(viewer.name);
  const asked = removing.value && removing.value.pupil === viewer.pupil ? removing.value : null;
  const remove = () => {
    if (asked && performance.now() - asked.at >= DELIBERATE_MS) act('remove', { pupil: viewer.pupil });
  };
  if (asked)
    return html`<li class="asking">
      <span class="who"><strong>${t('panel.audience.remove.question', { name })}</strong> <small>${t('panel.audience.remove.hint')}</small></span>
      <button class="button" data-act="keep" onClick=${() => (removing.value = null)}>${t('panel.audience.remove.no')}</button>
      <button class="button end" data-act="remove" aria-disabled=${isBusy('remove')} onClick=${remove}>${t('panel.audience.remove.yes')}</button>
    </li>`;
  return html`<li>
    <span class="who"><strong>${name}</strong> <${PupilMark} viewer=${viewer} /></span>
    ${troubleOf(viewer) && html`<${Act} what="settled" words="panel.audience.settled" name=${name} body=${{ pupil: viewer.pupil }} />`}
    <button
      class="button"
      data-act="ask-remove"
      aria-label=${t('panel.said-of', { what: t('panel.audience.remove'), said: name })}
      onClick=${() => (removing.value = { pupil: viewer.pupil, at: performance.now() })}
    >
      ${t('panel.audience.remove')}
    </button>
  </li>`;
};
