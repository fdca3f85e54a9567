// What `web/lib` promises, where no browser is needed. Run by test_files.py.

import assert from 'node:assert/strict';
import test from 'node:test';
import { Backoff } from '../../../web/lib/backoff.js';
import { bare, isWhole, pretty } from '../../../web/lib/code.js';
import { Meter } from '../../../web/lib/meter.js';
import { EventParser } from '../../../web/lib/sse.js';
import { fragment } from '../../../web/lib/whep.js';
import { csv } from '../../../web/it/csv.js';
import { eventWords, kindOf, topLine } from '../../../web/it/room_words.js';
import { readFileSync } from 'node:fs';

function parsed(...parts) {
  const events = [];
  const parser = new EventParser((event) => events.push(event));
  for (const part of parts) parser.push(part);
  return events;
}

test('events are the same however the text is cut', () => {
  const text = ': ping\r\n\r\nevent: lesson\r\nid: 7\r\ndata: {"a":\r\ndata: 1}\r\n\r\nretry: 5\n\ndata:x\n\n';
  const whole = parsed(text);
  assert.deepEqual(whole, [
    { name: 'lesson', data: '{"a":\n1}', id: '7' },
    { name: 'message', data: 'x', id: '' },
  ]);
  for (let at = 1; at < text.length; at++) assert.deepEqual(parsed(text.slice(0, at), text.slice(at)), whole, 'cut at ' + at);
  assert.deepEqual(parsed(...text), whole);
});

test('an event without its empty line is not told', () => {
  assert.deepEqual(parsed('data: half\n'), []);
});

test('a code is taken as it is typed', () => {
  assert.equal(bare(' k7qf – 92mx '), 'K7QF92MX');
  assert.equal(pretty('k7qf92'), 'K7QF-92');
  assert.equal(pretty('k7q'), 'K7Q');
  assert.equal(pretty('k7qf-92mx-more'), 'K7QF-92MX');
  assert.ok(isWhole('K7QF-92MX'));
  assert.ok(!isWhole('K7QF-92M'));
});

test('candidates are sent under the first m-line with the ufrag and password of the offer', () => {
  const sdp = [
    'v=0',
    'a=group:BUNDLE 0 1',
    'm=audio 9 UDP/TLS/RTP/SAVPF 111',
    'a=ice-ufrag:uf',
    'a=ice-pwd:secret',
    'a=mid:0',
    'm=video 9 UDP/TLS/RTP/SAVPF 96',
    'a=mid:1',
    'a=ice-ufrag:uf',
    '',
  ].join('\r\n');
  const text = fragment(sdp, [{ candidate: 'candidate:1 1 udp 1 192.0.2.1 5000 typ host' }], true);
  assert.deepEqual(text.split('\r\n'), [
    'a=group:BUNDLE 0 1',
    'm=audio 9 UDP/TLS/RTP/SAVPF 111',
    'a=mid:0',
    'a=ice-ufrag:uf',
    'a=ice-pwd:secret',
    'a=candidate:1 1 udp 1 192.0.2.1 5000 typ host',
    'a=end-of-candidates',
    '',
  ]);
});

test('waits grow to their limit, never fall under half of it, and start anew', async () => {
  const waited = [];
  const timer = globalThis.setTimeout;
  globalThis.setTimeout = (resolve, ms) => (waited.push(ms), timer(resolve, 0));
  try {
    const backoff = new Backoff(300, 5000);
    for (let i = 0; i < 8; i++) await backoff.wait();
    backoff.reset();
    await backoff.wait();
  } finally {
    globalThis.setTimeout = timer;
  }
  const limits = [300, 600, 1200, 2400, 4800, 5000, 5000, 5000, 300];
  waited.forEach((ms, i) => assert.ok(ms >= limits[i] / 2 && ms <= limits[i], i + ': ' + ms));
});

test('a wait ends when there is reason to hurry', async () => {
  const backoff = new Backoff(60000, 60000);
  const waiting = backoff.wait();
  backoff.hurry();
  await waiting;
});

const report = (packets, lost, frames, bytes) => [
  { id: 'a', type: 'inbound-rtp', kind: 'audio', mid: '0', packetsReceived: packets, packetsLost: lost, bytesReceived: bytes },
  { id: 'v', type: 'inbound-rtp', kind: 'video', trackIdentifier: 'T', framesDecoded: frames, frameWidth: 640, frameHeight: 360 },
  { id: 'p', type: 'candidate-pair', nominated: true, state: 'succeeded', currentRoundTripTime: 0.02, localCandidateId: 'l' },
  { id: 'l', type: 'local-candidate', candidateType: 'relay' },
];

test('rates are of the time between two looks, whatever name the browser gives a track', () => {
  const meter = new Meter();
  const trackOf = { 0: 'sound', T: 'camera' };
  meter.read(report(100, 0, 10, 1000), trackOf, 0);
  const sample = meter.read(report(190, 10, 70, 11000), trackOf, 2000);
  assert.equal(sample.tracks.sound.packets, 90);
  assert.equal(sample.lossPercent, 10);
  assert.equal(sample.tracks.camera.fps, 30);
  assert.equal(sample.tracks.sound.kbps, 40);
  assert.equal(sample.rttMs, 20);
  assert.equal(sample.path, 'relay');
  assert.equal(sample.tracks.board.fps, 0);
});

/** The words of French, without a browser around them. */
const catalogue = JSON.parse(readFileSync(new URL('../../../web/i18n/fr.json', import.meta.url), 'utf8'));
const words = {
  lang: 'fr',
  has: (key) => key in catalogue,
  t: (key, params) => (catalogue[key] || key).replace(/\{(\w+)\}/g, (all, name) => (params && name in params ? params[name] : all)),
  tn: (key, n) => words.t(key + (n < 2 ? '.one' : '.other'), { n }),
  duration: (s) => Math.round(s) + ' s',
};
const at = '2026-11-24T10:00:00Z';
const nowMs = Date.parse(at) + 40000;
const device = { id: 'camera', role: 'camera', name: 'x', driver: 'v4l2', is_open: true, status: 'ok', since: at, problem: null };
const room = {
  id: 'b12', name: 'Salle B12', territory: 'doubs', link: 'online', link_since: at, reported_age_s: 1, is_stale: false,
  status: 'ok', state: 'live', lesson: 'l', lesson_started_at: at, paused: false, on_air: { camera: true, board: true, sound: true },
  sign: 'live', viewers: 8, devices: [device], agent: '1', cpu_percent: 1, memory_mb: 1, problem: null, proposal: null,
};

test('a room is put into words', () => {
  assert.equal(topLine(words, room, nowMs), 'En direct depuis 40 s, 8 élèves');
  const ill = { ...device, status: 'critical', problem: { code: 'device-lost', message: 'x', retry_after_s: null } };
  assert.equal(topLine(words, { ...room, devices: [ill] }, nowMs), 'En direct depuis 40 s, 8 élèves, caméra perdue depuis 40 s');
  assert.equal(topLine(words, { ...room, link: 'offline' }, nowMs), 'Ne répond plus depuis 40 s');
  assert.equal(topLine(words, { ...room, state: 'idle', lesson: null }, nowMs), 'Prête, pas de classe en cours');
});

test('a room that is not heard is of no other kind, whatever it last said', () => {
  assert.equal(kindOf({ ...room, link: 'offline' }), 'offline');
  assert.equal(kindOf({ ...room, link: 'unknown', status: 'critical' }), 'unknown');
  assert.equal(kindOf({ ...room, status: 'critical' }), 'bad');
  assert.equal(kindOf(room), 'live');
  assert.equal(kindOf({ ...room, state: 'idle' }), 'ok');
});

test('every kind of event has its words, and an unknown one its name', () => {
  const golden = new URL('../../unit/protocol/golden/', import.meta.url);
  for (const name of ['lesson-started', 'lesson-ended', 'device-lost', 'device-back', 'viewer-joined', 'viewer-left', 'proposal-answered']) {
    const event = JSON.parse(readFileSync(new URL('event-' + name + '.json', golden), 'utf8'));
    const text = eventWords(words, { ...event, kind: event.fact.kind, room: 'b12' });
    assert.ok(text && !text.includes('{') && !text.startsWith('it.') && !text.startsWith('Événement'), name + ': ' + text);
  }
  assert.match(eventWords(words, { id: '1', room: 'r', kind: 'moon.full', at, fact: {} }), /moon\.full/);
});

test('a cell of the list never becomes a formula or two cells', () => {
  const text = csv(words, [{ ...room, name: '=1+1', territory: 'a;"b"' }]);
  const line = text.split('\r\n')[1];
  assert.ok(line.startsWith("b12;'=1+1;\"a;\"\"b\"\"\";online;"), line);
});
