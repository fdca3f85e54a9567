// The room is tested: what is looked at, step by step, and a verdict for each with what to do. Start ends it at once.

import { html } from 'htm/preact';
import { Icon } from './parts.js';
import { closeTest, isBusy, say, stopTest, t, test, tn, view } from './store.js';

/** @typedef {import('../lib/protocol').SelfTestStep} SelfTestStep */
/** @typedef {import('../lib/protocol').SelfTestView} SelfTestView */

/** @type {Record<string, string>} */
const ICON = { waiting: 'waiting', running: 'waiting', ok: 'ok', warning: 'warning', failed: 'bad', skipped: 'unknown' };
/** Worst first, once all is known; while it runs nothing moves under a reading eye. */
const ORDER = ['failed', 'warning', 'ok', 'skipped', 'running', 'waiting'];
/** Other sentences of the panel say the same of these during a lesson. */
const SAID_ELSEWHERE = ['camera', 'microphone', 'broker'];

/** The test that the panel shows before and after lessons. @returns {SelfTestView | null} */
const shown = () => {
  const selftest = view.value && view.value.selftest;
  return selftest && selftest.kind === 'whole' ? selftest : null;
};

export const isTesting = () => !!shown();

/** @param {SelfTestView} selftest @param {string} state */
const count = (selftest, state) => selftest.steps.filter((step) => step.state === state).length;

/** What is going on or came of it, in one sentence. @param {SelfTestView} selftest */
function sentence(selftest) {
  if (selftest.state === 'announced') return t('panel.test.announced');
  if (selftest.state === 'running') return t('panel.test.running.' + (selftest.asked_by === 'centre' ? 'centre' : 'here'));
  if (selftest.state === 'stopped') return t('panel.test.stopped');
  const [failed, warning] = [count(selftest, 'failed'), count(selftest, 'warning')];
  if (failed) return tn('panel.test.failed', failed);
  return warning ? tn('panel.test.warning', warning) : t('panel.test.ok');
}

export const TestButton = () =>
  html`<button class="button" id="test" onClick=${test} aria-disabled=${isBusy('test')}>
    <${Icon} name="ok" /><span>${t('panel.test.button')}</span>
  </button>`;

export const SelfTest = () => {
  const selftest = shown();
  if (!selftest) return null;
  const isOver = selftest.state === 'done' || selftest.state === 'stopped';
  const steps = selftest.state === 'done' ? [...selftest.steps].sort((a, b) => ORDER.indexOf(a.state) - ORDER.indexOf(b.state)) : selftest.steps;
  const worst = count(selftest, 'failed') ? 'failed' : count(selftest, 'warning') ? 'warning' : 'ok';
  return html`<section class="test card" id="selftest" aria-labelledby="test-title" data-state=${selftest.state} data-worst=${isOver ? worst : ''}>
    <div class="test-top">
      <div>
        <h2 id="test-title">${t('panel.test.title')}</h2>
        <p role="status">${sentence(selftest)}</p>
      </div>
      ${isOver
        ? html`<div class="row">
            <button class="button" id="test-again" onClick=${test} aria-disabled=${isBusy('test')}>${t('panel.test.again')}</button>
            <button class="button" id="test-close" onClick=${closeTest} aria-disabled=${isBusy('test')}>${t('close')}</button>
          </div>`
        : html`<button class="button" id="test-stop" onClick=${stopTest} aria-disabled=${isBusy('test')}>
            <${Icon} name="stop" /><span>${t('panel.test.stop')}</span>
          </button>`}
    </div>
    <ul class="test-steps" tabindex="0" aria-labelledby="test-title">
      ${steps.map((step) => html`<${Step} key=${step.id} step=${step} />`)}
    </ul>
  </section>`;
};

/** @param {{step: SelfTestStep}} props */
const Step = ({ step }) => {
  const { lang } = say();
  const isIll = step.state === 'failed' || step.state === 'warning';
  return html`<li data-state=${step.state}>
    <${Icon} name=${ICON[step.state]} />
    <span>
      <strong>${step.name[lang]}</strong> <span class="only-read">${t('panel.test.state.' + step.state)}</span>
      ${step.message && html`<span>${step.message[lang]}</span>`}
      ${isIll && step.remedy && html`<span class="test-do">${step.remedy[lang]}</span>`}
    </span>
  </li>`;
};

/** What the quiet test beside Start found and nothing else on the panel says. @returns {SelfTestStep[]} */
export function startFindings() {
  const selftest = view.value && view.value.selftest;
  if (!selftest || selftest.kind !== 'quiet' || selftest.state !== 'done') return [];
  return selftest.steps.filter((step) => step.state === 'failed' && !SAID_ELSEWHERE.includes(step.id));
}

/** One of them: what it is about, what was found, what to do. @param {{step: SelfTestStep}} props */
export const Finding = ({ step }) => {
  const { lang } = say();
  return html`<li>
    <strong>${t('panel.said-of', { what: step.name[lang], said: step.message ? step.message[lang] : '' })}</strong> ${step.remedy && step.remedy[lang]}
  </li>`;
};

export const StartFindings = () => {
  const found = startFindings();
  if (!found.length) return null;
  return html`<div class="banner" id="start-findings">
    <${Icon} name="warning" />
    <ul>
      ${found.map((step) => html`<${Finding} key=${step.id} step=${step} />`)}
    </ul>
    <button class="button quiet" aria-label=${t('close')} onClick=${closeTest}><${Icon} name="bad" /></button>
  </div>`;
};
