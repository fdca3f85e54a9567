// Where the page is, kept in the address: the room that is open, the search, the filter, the view, the order.

import { signal } from '@preact/signals';

/** @typedef {{room: string, q: string, show: string, view: string, sort: string}} Route */

const NAMES = /** @type {const} */ (['room', 'q', 'show', 'view', 'sort']);

/** @returns {Route} */
function read() {
  const given = new URLSearchParams(location.search);
  return /** @type {Route} */ (Object.fromEntries(NAMES.map((name) => [name, given.get(name) || ''])));
}

export const route = signal(read());
window.addEventListener('popstate', () => (route.value = read()));

/** The address of the present place with some of it changed. @param {Partial<Route>} change */
export function address(change) {
  const next = Object.assign({}, route.value, change);
  const query = new URLSearchParams();
  for (const name of NAMES) if (next[name]) query.set(name, next[name]);
  const text = query.toString();
  return location.pathname + (text ? '?' + text : '');
}

/** Go there. `isTyping`: do not leave a step behind for the back button. @param {Partial<Route>} change @param {boolean} [isTyping] */
export function go(change, isTyping) {
  window.history[isTyping ? 'replaceState' : 'pushState'](null, '', address(change));
  route.value = read();
}

/** For a link: go there without loading the page, but leave new tabs and the like to the browser. @param {Partial<Route>} change */
export const follow = (change) => (/** @type {MouseEvent} */ event) => {
  if (event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
  event.preventDefault();
  go(change);
  window.scrollTo(0, 0);
};
