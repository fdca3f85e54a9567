// One room: its state in one line, its devices, the acts from afar, what happened last.

import { html } from 'htm/preact';
import { useEffect } from 'preact/hooks';
import { signal } from '@preact/signals';
import { Age } from './list.js';
import { Dialog, Icon } from './parts.js';
import { address, follow, route } from './route.js';
import { answerOf, checkName, deviceWords, eventKind, eventWords, isRunning, KIND_SIGN, kindOf, topLine, valueWords } from './room_words.js';
import { actOn, answered, busy, history, now, openRoom, outcome, rooms, say, session, t, tn } from './store.js';

/** @typedef {import('../lib/protocol').RoomView} RoomView */

const isAsking = signal(false);
/** @type {Record<string, string>} */
const STATUS_KIND = { ok: 'ok', warning: 'warning', critical: 'bad', unknown: 'unknown' };

export const RoomPage = () => {
  const id = route.value.room;
  useEffect(() => {
    isAsking.value = false;
    openRoom(id);
  }, [id]);
  const known = rooms.value && rooms.value.get(id);
  const back = html`<a class="back" href=${address({ room: '' })} onClick=${follow({ room: '' })}><${Icon} name="back" /><span>${t('it.back')}</span></a>`;
  if (rooms.value && !known) return html`<div class="room-page">${back}<h1>${t('it.room.none')}</h1><p>${t('it.room.none.do', { id })}</p></div>`;
  if (!known) return html`<div class="room-page" aria-busy="true">${back}<div class="skeleton"></div><div class="skeleton"></div></div>`;
  const room = known.view;
  const kind = kindOf(room);
  return html`<div class="room-page" data-room=${room.id} data-stale=${room.is_stale}>
    ${back}
    <div class="title-line">
      <h1>${room.name}</h1>
      <p class="soft">${room.territory} · ${room.id}</p>
    </div>
    <p class="top-line" id="top-line" data-kind=${kind}>
      <span class="square large" data-kind=${kind} aria-hidden="true">${KIND_SIGN[kind]}</span><span>${topLine(say(), room, now.value)}</span>
    </p>
    ${room.is_stale && html`<p class="stale" id="stale">${t('it.stale', { at: say().dayAndTime(room.link_since) })}</p>`}
    ${room.problem && !room.is_stale && html`<p class="problem">${say().error(room.problem.code)} <span class="code">${t('error.code-note', { code: room.problem.code })}</span></p>`}
    ${!room.is_stale && html`<${Alarms} room=${room} />`}
    <${Acts} room=${room} />
    <div class="room-grid">
      <section class="card" aria-labelledby="devices-title">
        <h2 id="devices-title">${t('panel.devices')}</h2>
        <${Devices} room=${room} />
      </section>
      <section class="card" aria-labelledby="numbers-title">
        <h2 id="numbers-title">${t('it.numbers')}</h2>
        <${Numbers} room=${room} />
      </section>
      <section class="card wide" aria-labelledby="checks-title">
        <h2 id="checks-title">${t('it.checks')}</h2>
        <${Checks} room=${room} />
      </section>
      <section class="card wide" aria-labelledby="history-title">
        <h2 id="history-title">${t('it.history')}</h2>
        <${History} />
      </section>
    </div>
  </div>`;
};

/** Alarms that stay until somebody has seen them. */
const SEEN = ['on-air'];

/** What the room's own checks say is wrong, each with what to do. */
const Alarms = (/** @type {{room: RoomView}} */ { room }) => {
  const isAdmin = !!session.value && session.value.role === 'admin';
  const lang = say().lang === 'fr' ? 'fr' : 'en';
  return html`${room.checks
    .filter((check) => check.status === 'critical' || check.status === 'warning')
    .map(
      (check) => html`<section class="alarm" key=${check.id} data-check=${check.id} data-kind=${STATUS_KIND[check.status]} role="alert">
        <${Icon} name="warning" />
        <p>
          <strong>${check.message ? check.message[lang] : check.id}</strong>
          ${check.remedy && html` <span>${check.remedy[lang]}</span>`}
          <span class="soft under">${say().dayAndTime(check.since)} · ${check.id}</span>
        </p>
        ${SEEN.includes(check.id) &&
        isAdmin &&
        html`<button class="button" disabled=${!!busy.value} onClick=${() => actOn(room.id, 'seen', { check: check.id })}>${t('it.seen')}</button>`}
      </section>`,
    )}`;
};

const Acts = (/** @type {{room: RoomView}} */ { room }) => {
  const mayAct = !!session.value && session.value.role !== 'viewer';
  const isReachable = room.link === 'online' || room.link === 'late';
  const runs = isRunning(room);
  const isMuted = !!room.on_air && !room.on_air.sound;
  const told = outcome.value && outcome.value.room === room.id ? outcome.value : null;
  const isAccepted = !!answered.value && answerOf(answered.value) === 'accepted';
  const close = () => (isAsking.value = false);
  const why = !mayAct ? 'it.act.viewer' : !isReachable ? 'it.act.away' : room.proposal && !runs ? 'it.act.waits' : '';
  const isOff = !!why || !!busy.value;
  return html`<div class="acts">
    ${runs && isReachable
      ? html`<button class="button danger" id="stop" disabled=${isOff} onClick=${() => (isAsking.value = true)}>
            <${Icon} name="stop" /><span>${t(busy.value === 'stop' ? 'it.act.doing' : 'it.stop')}</span>
          </button>
          ${!isMuted &&
          html`<button class="button" id="mute" disabled=${isOff} onClick=${() => actOn(room.id, 'mute')}>
            <${Icon} name="microphone-off" /><span>${t(busy.value === 'mute' ? 'it.act.doing' : 'it.mute')}</span>
          </button>`}`
      : html`<button class="button" id="propose" disabled=${isOff} onClick=${() => actOn(room.id, 'propose')}>
          <${Icon} name="play" /><span>${t(busy.value === 'propose' ? 'it.act.doing' : 'it.propose')}</span>
        </button>`}
    <p class="act-words" id="outcome" role="status">
      ${told
        ? told.error
          ? html`<span class="failed">${say().error(told.error.code)}</span> <small>${t('error.code-note', { code: told.error.code })}</small>`
          : answered.value
            ? html`<span class=${isAccepted ? 'done' : 'not'}>${isAccepted ? '✓ ' : ''}${t('it.done.propose.' + answerOf(answered.value), { at: say().time(Date.parse(answered.value.at)) })}</span>`
            : html`<span class="done">✓ ${t('it.done.' + told.act, { at: say().time(told.at) })}</span>`
        : why
          ? t(why)
          : runs
            ? t(isMuted ? 'it.stop.hint' : 'it.mute.hint')
            : t('it.propose.hint')}
    </p>
    ${isAsking.value &&
    html`<${Dialog} title=${t('it.stop.question', { room: room.name })} onClose=${close}>
      <p>${room.viewers ? tn('it.stop.there', room.viewers) : t('it.stop.nobody')}</p>
      <div class="row">
        <button class="button" data-first onClick=${close}>${t('it.stop.no')}</button>
        <button
          class="button danger solid"
          id="stop-yes"
          onClick=${() => {
            close();
            actOn(room.id, 'stop');
          }}
        >
          ${t('it.stop.yes')}
        </button>
      </div>
    <//>`}
  </div>`;
};

const Devices = (/** @type {{room: RoomView}} */ { room }) =>
  room.devices.length === 0
    ? html`<p class="soft">${t('it.devices.none')}</p>`
    : html`<table>
          <thead>
            <tr>
              <th scope="col">${t('it.col.device')}</th>
              <th scope="col">${t('it.col.state')}</th>
              <th scope="col">${t('it.col.since')}</th>
            </tr>
          </thead>
          <tbody>
            ${room.devices.map((device) => {
              const kind = room.is_stale ? 'unknown' : STATUS_KIND[device.status];
              return html`<tr key=${device.id} data-kind=${kind}>
                <th scope="row">${t('role.' + device.role)}<span class="soft under">${device.name}</span></th>
                <td>
                  <span class="state"
                    ><span class="square" data-kind=${kind} aria-hidden="true">${KIND_SIGN[kind]}</span
                    ><span>${room.is_stale && !device.problem ? t('it.device.was.' + device.status) : deviceWords(say(), device)}${device.problem && html`<span class="soft under">${device.problem.code}</span>`}${device.in_use && html`<span class="soft under">${t('panel.microphones.heard')}</span>`}</span></span
                  >
                </td>
                <td class="soft">${say().duration((now.value - Date.parse(device.since)) / 1000)}</td>
              </tr>`;
            })}
          </tbody>
        </table>`;

/** @type {Record<string, number>} */
const SEVERITY = { critical: 0, warning: 1, unknown: 2, ok: 3 };

/** Everything that the room looks at, worst first; what is not well has its sentence above. */
const Checks = (/** @type {{room: RoomView}} */ { room }) => {
  if (!room.checks.length) return html`<p class="soft">${t('it.checks.none')}</p>`;
  const checks = [...room.checks].sort((one, other) => SEVERITY[one.status] - SEVERITY[other.status]);
  return html`<table id="checks">
    <thead>
      <tr>
        <th scope="col">${t('it.col.check')}</th>
        <th scope="col">${t('it.col.state')}</th>
        <th scope="col">${t('it.col.value')}</th>
      </tr>
    </thead>
    <tbody>
      ${checks.map((check) => {
        const kind = room.is_stale ? 'unknown' : STATUS_KIND[check.status];
        return html`<tr key=${check.id} data-kind=${kind} data-check=${check.id}>
          <th scope="row">${checkName(say(), check)}</th>
          <td>
            <span class="state"><span class="square" data-kind=${kind} aria-hidden="true">${KIND_SIGN[kind]}</span><span>${t('it.check.' + check.status)}<span class="soft under">${t('it.check.since', { time: say().duration((now.value - Date.parse(check.since)) / 1000) })}</span></span></span>
          </td>
          <td class="value">${valueWords(say(), check) || '–'}</td>
        </tr>`;
      })}
    </tbody>
  </table>`;
};

const Numbers = (/** @type {{room: RoomView}} */ { room }) => {
  const words = say();
  const one = { maximumFractionDigits: 0 };
  /** @type {[string, any][]} */
  const rows = [
    [t('it.number.report'), html`<${Age} id=${room.id} />`],
    [t('it.number.link'), t('it.link.' + room.link) + ' · ' + words.duration((now.value - Date.parse(room.link_since)) / 1000)],
    [t('it.number.sign'), room.sign ? t('it.sign.' + room.sign) : '–'],
    [t('it.number.cpu'), room.cpu_percent === null ? '–' : t('quality.percent', { n: words.number(room.cpu_percent, one) })],
    [t('it.number.memory'), room.memory_mb === null ? '–' : t('quality.mb', { mb: words.number(room.memory_mb, one) })],
    [t('it.number.agent'), room.agent || '–'],
  ];
  return html`<dl class="numbers">${rows.map(([name, value]) => html`<div key=${name}><dt>${name}</dt><dd>${value}</dd></div>`)}</dl>`;
};

const History = () => {
  const { events, error } = history.value;
  if (!events)
    return error
      ? html`<p class="problem">${say().error(error.code)} <span class="code">${t('error.code-note', { code: error.code })}</span></p>`
      : html`<div class="skeleton"></div>`;
  if (!events.length) return html`<p class="soft">${t('it.history.none')}</p>`;
  return html`<ol class="history">
    ${events.map(
      (event) => html`<li key=${event.id} data-kind=${eventKind(event)}>
        <time datetime=${event.at}>${shortTime(event.at)}</time><span>${eventWords(say(), event)}</span>
      </li>`,
    )}
  </ol>`;
};

/** @param {string} at */
function shortTime(at) {
  const date = new Date(at);
  const isToday = date.toDateString() === new Date(now.value).toDateString();
  /** @type {Intl.DateTimeFormatOptions} */
  const day = isToday ? {} : { day: '2-digit', month: '2-digit' };
  return new Intl.DateTimeFormat(say().locale, { ...day, hour: '2-digit', minute: '2-digit', second: '2-digit' }).format(date);
}
