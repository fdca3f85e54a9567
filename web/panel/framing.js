// What the panel says of the picture that follows people by itself.

import { t, view } from './store.js';

/** What it does now, with its icon; null when it is off, or when nothing of the camera goes out. @returns {[string, string] | null} */
export function framingFact() {
  const { value } = view;
  if (!value || !value.framing || value.framing.doing === 'off') return null;
  const { doing } = value.framing;
  if (doing !== 'failed' && (!value.on_air.camera || value.paused)) return null;
  return [doing === 'failed' ? 'bad' : 'framing', t('panel.fact.framing.' + doing)];
}
