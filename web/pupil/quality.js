// The connection in words, and the self-check behind "Je n'entends pas".

import { closeSheet, el, say, words } from './page.js';

/** @typedef {import('../lib/meter.js').Sample} Sample */
/** @typedef {import('../lib/protocol').Notice} Notice */
/** @typedef {import('../lib/protocol').Sending} Sending */
/** @typedef {import('../lib/protocol').Wish} Wish */
/** @typedef {import('./stage.js').Stage} Stage */

/** Sound below this share of full scale for the whole look is silence, not a quiet teacher (about −60 dBFS). */
const SILENT = 0.001;

/** 0 nothing, 1 poor, 2 fair, 3 good. @param {Sample} sample */
export function level(sample) {
  const packets = sample.tracks.sound.packets + sample.tracks.board.packets + sample.tracks.camera.packets;
  if (packets === 0) return 0;
  const rttMs = sample.rttMs || 0;
  if (sample.lossPercent > 8 || rttMs > 600) return 1;
  return sample.lossPercent > 2 || rttMs > 250 ? 2 : 3;
}

const LEVEL_WORDS = ['none', 'poor', 'fair', 'good'];

/** @param {Sample | null} sample @param {boolean} isLost */
export function showLevel(sample, isLost) {
  const n = isLost || !sample ? 0 : level(sample);
  el('quality-fact').dataset.level = String(n);
  say(el('quality-words'), words.t('quality.' + (isLost ? 'none' : sample ? LEVEL_WORDS[n] : 'measuring')));
}

const WISH = 'estrade.wish';
/** @type {Wish['use'][]} */
const USES = ['automatic', 'save-data', 'sound-only'];

/** What was chosen on this device; the page's own default when nothing was, or storage is refused. @returns {Wish} */
function kept() {
  /** @type {any} */
  let found = null;
  try {
    found = JSON.parse(localStorage.getItem(WISH) || 'null');
  } catch (error) {
    // refused in some private windows, or not ours: then nothing was chosen
  }
  const use = found && USES.indexOf(found.use) >= 0 ? found.use : 'automatic';
  return { type: 'wish', use, reads_lips: !!(found && found.reads_lips) };
}

/** Let the pupil choose how much is sent. @param {(wish: Wish) => void} onWish at once with what was kept, then on change */
export function wireWish(onWish) {
  const lips = /** @type {HTMLInputElement} */ (el('reads-lips'));
  const uses = /** @type {HTMLInputElement[]} */ (Array.from(el('wish-use').querySelectorAll('[name=use]')));
  const show = (/** @type {Wish} */ wish) => {
    for (const one of uses) one.checked = one.value === wish.use;
    lips.checked = !!wish.reads_lips;
    for (const one of uses.concat(lips)) /** @type {Element} */ (one.parentElement).classList.toggle('chosen', one.checked);
  };
  const change = () => {
    const chosen = uses.filter((one) => one.checked)[0];
    /** @type {Wish} */
    const wish = { type: 'wish', use: /** @type {Wish['use']} */ (chosen.value), reads_lips: lips.checked };
    try {
      localStorage.setItem(WISH, JSON.stringify({ use: wish.use, reads_lips: wish.reads_lips }));
    } catch (error) {
      // refused in some private windows; the choice then lasts as long as the page
    }
    show(wish);
    onWish(wish);
  };
  for (const one of uses.concat(lips)) one.addEventListener('change', change);
  const wish = kept();
  show(wish);
  if (wish.use !== 'automatic' || wish.reads_lips) onWish(wish);
}

/** What is sent here and why, in one sentence. @param {Sending | null} sending */
function sentWords(sending) {
  if (!sending) return '';
  const what = sending.board ? (sending.camera ? 'all' : 'board') : sending.camera ? 'camera' : 'sound';
  if (sending.why === 'best') return words.t('quality.sent.best');
  return words.t('quality.sent.' + what) + ' ' + words.t('quality.why.' + sending.why);
}

/** Fill the sheet *Qualité*. @param {Sample | null} sample @param {number} totalBytes @param {Sending | null} sending */
export function fillQuality(sample, totalBytes, sending) {
  say(el('quality-sent'), sentWords(sending));
  const list = el('quality-list');
  /** @type {[string, string][]} */
  const rows = [];
  const t = words.t.bind(words);
  if (!sample) rows.push([t('quality.line'), t('quality.measuring')]);
  else {
    rows.push([t('quality.line'), t('quality.' + LEVEL_WORDS[level(sample)])]);
    rows.push([
      t('quality.sound'),
      sample.tracks.sound.packets ? t('quality.rate', { rate: words.number(Math.round(sample.tracks.sound.kbps)) }) : t('quality.nothing'),
    ]);
    for (const name of /** @type {const} */ (['board', 'camera'])) {
      const track = sample.tracks[name];
      const size = { width: track.width, height: track.height, fps: words.number(Math.round(track.fps)) };
      const key = !track.width ? 'nothing' : track.fps < 0.5 ? 'still' : 'video';
      rows.push([t('quality.' + name), t('quality.' + key, size)]);
    }
    if (sample.rttMs !== null) rows.push([t('quality.delay'), t('quality.ms', { ms: words.number(Math.round(sample.rttMs)) })]);
    rows.push([t('quality.loss'), t('quality.percent', { n: words.number(sample.lossPercent, { maximumFractionDigits: 1 }) })]);
    if (sample.path) rows.push([t('quality.path'), t('quality.path.' + (sample.path === 'relay' ? 'relay' : 'direct'))]);
  }
  if (sample) {
    const perHour = (sample.kbps * 3600) / 8 / 1000;
    rows.push([t('quality.per-hour'), t('quality.mb', { mb: words.number(Math.round(perHour)) })]);
  }
  rows.push([t('quality.total'), t('quality.mb', { mb: words.number(totalBytes / 1e6, { minimumFractionDigits: 1, maximumFractionDigits: 1 }) })]);
  rows.forEach(([name, value], i) => {
    let row = list.children[i];
    if (!row) {
      row = document.createElement('div');
      row.append(document.createElement('dt'), document.createElement('dd'));
      list.append(row);
    }
    say(row.children[0], name);
    say(row.children[1], value);
  });
  while (list.children.length > rows.length) /** @type {Element} */ (list.lastElementChild).remove();
}

/**
 * @typedef {object} Finding
 * @property {string} key words under `hear.`; `.do` says what to do
 * @property {string} [actKey] the words of the button
 * @property {() => void} [act]
 */

/** @typedef {{stage: Stage, notice: Notice | null, sample: Sample | null, isLost: boolean, isInRoom: boolean}} Facts */

/**
 * Find why nothing is heard: first what this page does, then what arrives, then what the room sends.
 *
 * @param {Facts} facts
 * @returns {Finding}
 */
export function whySilent(facts) {
  const { stage, notice, sample } = facts;
  if (facts.isLost || !sample || level(sample) === 0) return { key: 'line' };
  if (notice && notice.paused) return { key: 'paused' };
  if (notice && !notice.on_air.sound) return { key: 'teacher' };
  if (stage.isBlocked || (stage.speaker.paused && !stage.isMuted))
    return { key: 'blocked', actKey: 'blocked.act', act: () => stage.unblock() };
  if (stage.isMuted)
    return { key: facts.isInRoom ? 'in-room' : 'muted', actKey: 'muted.act', act: () => stage.setMuted(false) };
  if (stage.speaker.volume === 0) return { key: 'volume', actKey: 'volume.act', act: () => stage.setVolume(1) };
  if (sample.tracks.sound.packets === 0) return { key: 'nosound' };
  if (notice && notice.stand_in.indexOf('sound') >= 0) return { key: 'standin' };
  const energy = sample.tracks.sound.energy;
  return { key: energy !== null && energy < SILENT ? 'silent' : 'fine' };
}

/** Show what was found, with the button that mends it. @param {Finding | null} finding */
export function showFinding(finding) {
  const found = el('hear-found');
  const button = el('hear-act');
  found.textContent = '';
  const what = document.createElement('p');
  const strong = document.createElement('strong');
  what.append(strong);
  found.append(what);
  if (!finding) {
    strong.textContent = words.t('hear.looking');
    button.hidden = true;
    return;
  }
  strong.textContent = words.t('hear.' + finding.key);
  const how = document.createElement('p');
  how.textContent = words.t('hear.' + finding.key + '.do');
  found.append(how);
  button.hidden = !finding.act;
  if (!finding.act || !finding.actKey) return;
  const { act } = finding;
  button.textContent = words.t('hear.' + finding.actKey);
  button.onclick = () => {
    act();
    closeSheet();
  };
}
