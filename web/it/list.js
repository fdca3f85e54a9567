// All rooms: one tile per territory with a square per room, or a table; search and filters live in the address.

import { html } from 'htm/preact';
import { signal } from '@preact/signals';
import { download } from './csv.js';
import { Icon } from './parts.js';
import { address, follow, go, route } from './route.js';
import { isLive, isRunning, KIND_SIGN, kindOf, shortState } from './room_words.js';
import { counts, countsOf, listError, now, reportedAgeS, rooms, say, shown, t, tn } from './store.js';

/** @typedef {import('../lib/protocol').RoomView} RoomView */

/** Rows that are drawn at once; a table of thousands is not read but searched. */
const ROWS = 200;
/** With fewer rooms than this, the table says more than squares. */
const FEW_ROOMS = 25;
const more = signal(0);
const FILTERS = ['', 'live', 'problem', 'offline'];

export const RoomList = () => {
  if (!rooms.value) return html`<${Loading} />`;
  const found = counts.value;
  const list = shown.value;
  const view = route.value.view || (found.all <= FEW_ROOMS ? 'list' : 'tiles');
  const isFiltered = !!(route.value.q.trim() || route.value.show);
  return html`<div class="list-page">
    <div class="title-line">
      <h1>${t('it.rooms')}</h1>
      <p id="summary">${countWords(found)}</p>
    </div>
    <div class="search-line">
      <form class="search" role="search" onSubmit=${(/** @type {Event} */ event) => event.preventDefault()}>
        <${Icon} name="search" />
        <input
          type="search"
          id="search"
          aria-label=${t('it.search')}
          placeholder=${t('it.search')}
          value=${route.value.q}
          onInput=${(/** @type {InputEvent} */ event) => go({ q: /** @type {HTMLInputElement} */ (event.target).value }, true)}
        />
      </form>
      <nav class="filters" aria-label=${t('it.filters')}>
        ${FILTERS.map(
          (name) => html`<a
            class="chip"
            href=${address({ show: name })}
            aria-current=${route.value.show === name ? 'true' : null}
            onClick=${follow({ show: name })}
          >
            ${t('it.filter.' + (name || 'all'))} <span class="count">${say().number(found[name || 'all'])}</span>
          </a>`,
        )}
      </nav>
      <div class="views">
        ${['tiles', 'list'].map(
          (name) => html`<button
            class="button quiet"
            id=${'view-' + name}
            aria-pressed=${view === name}
            aria-label=${t('it.view.' + name)}
            title=${t('it.view.' + name)}
            onClick=${() => go({ view: name })}
          >
            <${Icon} name=${name} />
          </button>`,
        )}
        <button class="button" id="csv" onClick=${() => download(say(), list)}><${Icon} name="download" /><span>CSV</span></button>
      </div>
    </div>
    <p class="only-read" role="status">${isFiltered ? tn('it.found', list.length) : ''}</p>
    ${!found.all
      ? html`<p class="empty">${t('it.empty')}</p>`
      : !list.length
        ? html`<p class="empty">${t('it.nothing')} <a href=${address({ q: '', show: '' })} onClick=${follow({ q: '', show: '' })}>${t('it.nothing.all')}</a></p>`
        : view === 'tiles'
          ? html`<${Tiles} list=${list} />`
          : html`<${Table} list=${list} />`}
  </div>`;
};

/** "4 salles, 2 en direct, 1 avec un problème". @param {Record<string, number>} found */
function countWords(found) {
  const parts = [tn('it.rooms.count', found.all)];
  for (const name of ['live', 'problem', 'offline']) {
    const key = 'it.rooms.' + name;
    if (found[name]) parts.push(tn(key, found[name]));
  }
  return parts.join(', ');
}

const Tiles = (/** @type {{list: RoomView[]}} */ { list }) => {
  /** @type {Map<string, RoomView[]>} */
  const groups = new Map();
  for (const room of list) groups.set(room.territory, [...(groups.get(room.territory) || []), room]);
  return html`<div class="tiles">
    ${Array.from(groups, ([territory, group]) => {
      return html`<section class="tile" key=${territory} aria-labelledby=${'t-' + territory}>
        <h2 id=${'t-' + territory}>${territory}</h2>
        <p>${countWords(countsOf(group))}</p>
        <ul class="squares">
          ${group.map((room) => {
            const kind = kindOf(room);
            const words = room.name + ' : ' + shortState(say(), room);
            return html`<li key=${room.id}>
              <a class="square" data-kind=${kind} data-running=${isLive(room)} href=${address({ room: room.id })} title=${words} aria-label=${words} onClick=${follow({ room: room.id })}>${KIND_SIGN[kind]}</a>
            </li>`;
          })}
        </ul>
      </section>`;
    })}
    <ul class="legend" aria-label=${t('it.legend')}>
      ${['bad', 'offline', 'warning', 'unknown', 'live', 'ok', 'off'].map(
        (kind) => html`<li><span class="square" data-kind=${kind} aria-hidden="true">${KIND_SIGN[kind]}</span> ${t('it.kind.' + kind)}</li>`,
      )}
    </ul>
  </div>`;
};

/** @type {Record<string, (a: RoomView, b: RoomView) => number>} */
const ORDERS = {
  name: (a, b) => a.name.localeCompare(b.name, say().lang, { numeric: true }),
  territory: (a, b) => a.territory.localeCompare(b.territory),
  viewers: (a, b) => b.viewers - a.viewers,
};

/** A heading that sorts by its column. */
const SortHead = (/** @type {{name: string, className?: string, children?: any}} */ { name, className, children }) => {
  const isSorted = route.value.sort === name;
  return html`<th scope="col" class=${className || ''} aria-sort=${isSorted ? (name === 'viewers' ? 'descending' : 'ascending') : null}>
    <button class="sort" onClick=${() => go({ sort: isSorted ? '' : name })}>${children}<span aria-hidden="true">${isSorted ? (name === 'viewers' ? ' ↓' : ' ↑') : ''}</span></button>
  </th>`;
};

const Table = (/** @type {{list: RoomView[]}} */ { list }) => {
  const order = ORDERS[route.value.sort];
  const ordered = order ? [...list].sort(order) : list;
  const rows = ordered.slice(0, ROWS + more.value);
  return html`<div class="table-box" tabindex="0" role="region" aria-label=${t('it.rooms')}>
      <table class="rooms">
        <thead>
          <tr>
            <${SortHead} name="name">${t('it.col.room')}<//>
            <${SortHead} name="territory" className="wide-only">${t('it.col.territory')}<//>
            <th scope="col">${t('it.col.state')}</th>
            <${SortHead} name="viewers" className="number">${t('it.col.pupils')}<//>
            <th scope="col" class="wide-only">${t('it.col.devices')}</th>
            <th scope="col" class="wide-only">${t('it.col.age')}</th>
          </tr>
        </thead>
        <tbody>
          ${rows.map((room) => html`<${Row} key=${room.id} room=${room} />`)}
        </tbody>
      </table>
    </div>
    ${ordered.length > rows.length &&
    html`<button class="button" id="more" onClick=${() => (more.value += ROWS)}>${t('it.more', { n: say().number(ordered.length - rows.length) })}</button>`}`;
};

const Row = (/** @type {{room: RoomView}} */ { room }) => {
  const kind = kindOf(room);
  const ill = room.devices.filter((device) => device.status === 'critical' || device.status === 'warning');
  const time = since(room);
  return html`<tr data-kind=${kind} data-stale=${room.is_stale}>
    <th scope="row"><a href=${address({ room: room.id })} onClick=${follow({ room: room.id })}>${room.name}</a></th>
    <td class="wide-only">${room.territory}</td>
    <td>
      <span class="state"><span class="square" data-kind=${kind} aria-hidden="true">${KIND_SIGN[kind]}</span><span>${shortState(say(), room)}${time && html` <span class="soft">${time}</span>`}</span></span>
    </td>
    <td class="number">${isLive(room) ? say().number(room.viewers) : ''}</td>
    <td class="wide-only">${room.is_stale ? '' : ill.length ? ill.map((device) => t('role.' + device.role)).join(', ') : room.devices.length ? t('it.devices.fine') : ''}</td>
    <td class="wide-only soft"><${Age} id=${room.id} /></td>
  </tr>`;
};

/** @param {RoomView} room */
function since(room) {
  const at = room.link !== 'online' && room.link !== 'late' ? room.link_since : isRunning(room) ? room.lesson_started_at : null;
  return at ? t('it.since', { time: say().duration((now.value - Date.parse(at)) / 1000) }) : '';
}

export const Age = (/** @type {{id: string}} */ { id }) => {
  const age = reportedAgeS(id);
  return html`${age === null ? t('it.never') : age < 15 ? t('it.just-now') : t('it.ago', { time: say().duration(age) })}`;
};

const Loading = () => html`<div class="list-page" aria-busy="true">
  <h1>${t('it.rooms')}</h1>
  ${listError.value
    ? html`<p class="problem" role="alert">${say().error(listError.value.code)} <span class="code">${t('error.code-note', { code: listError.value.code })}</span></p>`
    : html`<div class="skeleton"></div><div class="skeleton"></div><div class="skeleton"></div>`}
</div>`;
