// Parts that several views of IT's page share.

import { html } from 'htm/preact';
import { useEffect, useRef } from 'preact/hooks';
import { ICONS } from '../lib/icons.js';

/** @param {{name: string}} props */
export const Icon = ({ name }) =>
  html`<svg class="icon" viewBox="0 0 24 24" aria-hidden="true">
    ${ICONS[name].map((path) => (path[0] === '!' ? html`<path class="solid" d=${path.slice(1)} />` : html`<path d=${path} />`))}
  </svg>`;

/** A question that holds the page until it is answered. */
export const Dialog = (/** @type {{title: string, onClose: () => void, children?: any}} */ { title, onClose, children }) => {
  const ref = useRef(/** @type {HTMLDialogElement | null} */ (null));
  useEffect(() => {
    const dialog = /** @type {HTMLDialogElement} */ (ref.current);
    dialog.showModal();
    const first = /** @type {HTMLElement | null} */ (dialog.querySelector('[data-first]'));
    if (first) first.focus();
    return () => dialog.close();
  }, []);
  return html`<dialog
    ref=${ref}
    class="dialog"
    aria-labelledby="dialog-title"
    onCancel=${(/** @type {Event} */ event) => {
      event.preventDefault();
      onClose();
    }}
  >
    <h2 id="dialog-title">${title}</h2>
    ${children}
  </dialog>`;
};
