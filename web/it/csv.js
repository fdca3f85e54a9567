// The list as a file for a spreadsheet.

import { deviceWords, shortState } from './room_words.js';

/** @typedef {import('../lib/protocol').RoomView} RoomView */
/** @typedef {import('../lib/i18n.js').Words} Words */

/** A cell that a spreadsheet would take for a formula is made text. @param {unknown} value */
function cell(value) {
  let text = value === null || value === undefined ? '' : String(value);
  if (/^[=+\-@\t\r]/.test(text)) text = "'" + text;
  return /[";,\n\r]/.test(text) ? '"' + text.replace(/"/g, '""') + '"' : text;
}

/** @param {Words} words @param {RoomView[]} rooms */
export function csv(words, rooms) {
  // Spreadsheets set to French take the semicolon for the separator.
  const separator = words.lang === 'fr' ? ';' : ',';
  const head = ['id', 'name', 'territory', 'link', 'link_since', 'state', 'lesson_started_at', 'viewers', 'status', 'problems', 'agent'];
  const lines = rooms.map((room) => [
    room.id,
    room.name,
    room.territory,
    room.link,
    room.link_since,
    shortState(words, room),
    room.lesson_started_at,
    room.viewers,
    room.status,
    room.devices
      .filter((device) => device.problem)
      .map((device) => words.t('role.' + device.role) + ' : ' + deviceWords(words, device))
      .join(' / '),
    room.agent,
  ]);
  return '\ufeff' + [head, ...lines].map((line) => line.map(cell).join(separator)).join('\r\n') + '\r\n';
}

/** @param {Words} words @param {RoomView[]} rooms */
export function download(words, rooms) {
  const link = document.createElement('a');
  link.href = URL.createObjectURL(new Blob([csv(words, rooms)], { type: 'text/csv;charset=utf-8' }));
  link.download = 'estrade-' + new Date().toISOString().slice(0, 10) + '.csv';
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
}
