// What `web/lib` promises, where no browser is needed. Run by test_files.py.

import assert from 'node:assert/strict';
import test from 'node:test';
import { json, requestText } from '../../../web/lib/api.js';
import { Attendance } from '../../../web/lib/attendance.js';
import { Backoff } from '../../../web/lib/backoff.js';
import { bare, isWhole, pretty } from '../../../web/lib/code.js';
import { regional } from '../../../web/lib/i18n.js';
import { Meter } from '../../../web/lib/meter.js';
import { openSealed } from '../../../web/lib/sealed.js';
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

test('what comes over data channels counts too, also once a channel is closed', () => {
  const meter = new Meter();
  const channel = (id, bytesReceived) => ({ id, type: 'data-channel', bytesReceived });
  const media = report(100, 0, 10, 1000);
  meter.read([...media, channel('lesson', 200)], { 0: 'sound' }, 0);
  const opened = meter.read([...media, channel('lesson', 300), channel('tiles', 4900)], { 0: 'sound' }, 1000);
  assert.equal(opened.kbps, 40);
  assert.equal(opened.bytes, 6200);
  const closed = meter.read([...media, channel('lesson', 300)], { 0: 'sound' }, 2000);
  assert.equal(closed.kbps, 0);
  assert.equal(closed.bytes, 6200);
});

test('dates have the form of the region that the reader lives in, else of Europe', () => {
  assert.equal(regional('en', ['fr', 'en-US']), 'en-US');
  assert.equal(regional('en', ['fr-FR', 'en']), 'en-GB');
  assert.equal(regional('fr', ['en-US', 'fr-BE']), 'fr-BE');
  assert.equal(regional('fr', []), 'fr-FR');
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
  for (const name of ['lesson-started', 'lesson-ended', 'device-lost', 'device-back', 'microphone-changed', 'viewer-joined', 'viewer-left', 'proposal-answered']) {
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

// --- the pupil's attendance, in front of a centre and a room that do as the test says ---------------------------------

/** Wait for a condition; the attendance's own waits are real. */
async function until(condition, what) {
  const deadline = Date.now() + 8000;
  while (!condition()) {
    assert.ok(Date.now() < deadline, 'never: ' + what);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

/** A centre behind `fetch`: each ticket has a number, which its token and its TURN credentials carry. */
class Centre {
  constructor() {
    this.tickets = 0;
    this.joins = 0;
    this.phase = 'waiting';
    /** What the next requests for a ticket meet instead of one: a status, or an Error. */
    this.troubles = [];
    /** Tokens with which the line of events was asked for. */
    this.lines = [];
    /** Whether the line there is down: what is asked has no answer. */
    this.isGone = false;
    /** Status that the line is refused with. */
    this.refusal = 0;
    this.streams = [];
    this.fetch = async (path, options) => {
      if (path === '/healthz') return this.isGone ? hang(options) : new Response('ok');
      if (path === '/api/v1/join') return this.join();
      this.lines.push(options.headers.Authorization);
      if (this.refusal) return problem(this.refusal);
      const stream = new ReadableStream({ start: (controller) => void this.streams.push(controller), cancel: () => undefined });
      return new Response(stream, { headers: { 'Content-Type': 'text/event-stream' } });
    };
  }

  view() {
    return { lesson: 'l-1', room: 'b12', room_name: 'Salle B12', room_online: true, phase: this.phase, state: 'idle', paused: false };
  }

  join() {
    this.joins += 1;
    const trouble = this.troubles.shift();
    if (trouble instanceof Error) throw trouble;
    if (typeof trouble === 'number') return problem(trouble);
    if (trouble) return trouble;
    this.tickets += 1;
    const n = this.tickets;
    const turn = { urls: ['turn:t'], username: 'u' + n, credential: 'c' + n };
    const answer = { token: 't' + n, whep: '/whep/b12', events: '/events', ice_servers: [turn], expires_at: '', view: this.view() };
    return Response.json(answer);
  }

  /** Tell the newest line what the lesson is now. */
  tell(phase) {
    this.phase = phase;
    const text = 'event: lesson\ndata: ' + JSON.stringify(this.view()) + '\n\n';
    this.streams[this.streams.length - 1].enqueue(new TextEncoder().encode(text));
  }
}

/** Answer nothing until the asker gives up. */
function hang({ signal }) {
  return new Promise((resolve, reject) => signal.addEventListener('abort', () => reject(signal.reason)));
}

function problem(status) {
  return new Response(JSON.stringify({ code: status === 404 ? 'link-wrong' : 'internal', status }), { status });
}

/** A connection on which media flow, or do not. */
class FakeConnection extends EventTarget {
  constructor(room) {
    super();
    this.room = room;
    this.state = 'new';
    this.pc = null;
    this.transceivers = {};
    this.channel = { send: (message) => room.said.push(message) };
  }

  async prepare() {}

  async connect(to) {
    this.room.offers.push({ token: to.token, turn: to.iceServers[0].username });
    if (this.room.isStuck) {
      this.state = 'asking';
      await new Promise((resolve, reject) => (this.fail = reject));
    }
    setTimeout(() => {
      const isDeaf = this.room.deafTo.includes(to.iceServers[0].username);
      this.state = isDeaf ? 'lost' : 'receiving';
      if (!isDeaf) this.dispatchEvent(new CustomEvent('channel-open'));
      this.dispatchEvent(isDeaf ? new CustomEvent('lost', { detail: { reason: 'no first packet' } }) : new CustomEvent('media'));
    });
  }

  lose() {
    this.state = 'lost';
    this.dispatchEvent(new CustomEvent('lost', { detail: { reason: 'no packets' } }));
  }

  close() {
    this.state = 'closed';
    if (this.fail) this.fail(new Error('aborted'));
  }
}

/** Run with a centre, a room and an attendance that has joined; afterwards it leaves. */
async function attending(body) {
  const real = globalThis.fetch;
  const centre = new Centre();
  const room = { offers: [], said: [], deafTo: [] };
  const clock = { ms: Date.parse('2026-11-24T08:00:00Z') };
  const attendance = new Attendance({ now: () => clock.ms, newConnection: () => new FakeConnection(room) });
  globalThis.fetch = centre.fetch;
  try {
    await attendance.join({ link: 'good' });
    attendance.enter('Lina', false);
    await until(() => centre.streams.length === 1, 'the line of events stands');
    await body({ centre, room, clock, attendance });
  } finally {
    attendance.leave();
    globalThis.fetch = real;
  }
}

const HOUR_MS = 3600 * 1000;

test('an offer that is stuck in a line that was down is given up once the line is back', () =>
  attending(async ({ centre, room, attendance }) => {
    centre.tell('open');
    await until(() => attendance.current, 'connected');
    centre.isGone = room.isStuck = true;
    attendance.current.lose();
    await until(() => room.offers.length === 2, 'offered into the dead line');
    await new Promise((resolve) => setTimeout(resolve, 1700)); // it is looked for, and not found
    centre.isGone = room.isStuck = false;
    assert.equal(room.offers.length, 2, 'the offer has its time');
    const backAt = Date.now();
    await until(() => attendance.current && attendance.current.state === 'receiving', 'connected again');
    assert.ok(Date.now() - backAt < 2500, Date.now() - backAt + ' ms');
  }));

test('on another network a connection is tried again beside the one that does, then left at that', () =>
  attending(async ({ centre, room, attendance }) => {
    centre.tell('open');
    await until(() => attendance.current, 'connected');
    const first = attendance.current;
    const lines = [];
    attendance.addEventListener('line', (event) => lines.push(event.detail.state));
    room.deafTo = ['u1'];
    attendance.reroute();
    await until(() => room.offers.length === 2, 'offered beside it');
    await until(() => !attendance.next, 'no media came');
    room.deafTo = [];
    await until(() => attendance.current !== first, 'tried again');
    assert.deepEqual(lines, ['connected']);
    await until(() => !attendance.isConnecting, 'at rest');

    const second = attendance.current;
    centre.troubles = [503, 503, 503]; // a new ticket would have new credentials, which this room hears
    room.deafTo = ['u1', 'u2', 'u3'];
    const before = room.offers.length;
    attendance.reroute();
    await until(() => !attendance.isConnecting, 'given up');
    assert.equal(room.offers.length, before + 3);
    assert.equal(attendance.current, second);
    assert.deepEqual(lines, ['connected']);
  }));

test('who has waited for hours offers with new TURN credentials, under the same name', () =>
  attending(async ({ centre, room, clock }) => {
    clock.ms += 11.5 * HOUR_MS;
    centre.tell('open');
    await until(() => room.said.length, 'connected');
    assert.deepEqual(room.offers, [{ token: 't2', turn: 'u2' }]);
    assert.deepEqual(room.said, [{ type: 'hello', name: 'Lina', is_in_room: false }]);
    assert.deepEqual(centre.lines, ['Bearer t1'], 'the line that stands stays');
    centre.streams[0].close();
    await until(() => centre.lines.length === 2, 'the line mends itself');
    assert.equal(centre.lines[1], 'Bearer t2');
  }));

test('a young ticket is used as it is, also for coming back', () =>
  attending(async ({ centre, room, clock, attendance }) => {
    clock.ms += 10 * HOUR_MS;
    centre.tell('open');
    await until(() => attendance.current, 'connected');
    attendance.current.lose();
    await until(() => room.offers.length === 2, 'offered again');
    assert.equal(centre.joins, 1);
  }));

for (const trouble of [503, 404, new TypeError('no network')])
  test('a renewal that fails does not stop the attempt: ' + trouble, () =>
    attending(async ({ centre, room, clock, attendance }) => {
      let isRefused = false;
      attendance.addEventListener('refused', () => (isRefused = true));
      clock.ms += 11.5 * HOUR_MS;
      centre.troubles = [trouble];
      centre.tell('open');
      await until(() => attendance.current, 'connected');
      assert.deepEqual(room.offers, [{ token: 't1', turn: 'u1' }]);
      assert.equal(centre.joins, 2);
      assert.ok(!isRefused);
    }));

test('a renewal that hangs holds the attempt up for a second, and is there for the next', () =>
  attending(async ({ centre, room, clock, attendance }) => {
    clock.ms += 11.5 * HOUR_MS;
    room.deafTo = ['u1'];
    let answer;
    centre.join = () => new Promise((resolve) => (answer = () => resolve(Centre.prototype.join.call(centre))));
    centre.tell('open');
    await until(() => room.offers.length === 1, 'offered');
    answer();
    await until(() => attendance.current, 'connected');
    assert.deepEqual(room.offers, [{ token: 't1', turn: 'u1' }, { token: 't2', turn: 'u2' }]);
  }));

test('no media at all is a reason for new TURN credentials, whatever their age', () =>
  attending(async ({ centre, room, attendance }) => {
    room.deafTo = ['u1'];
    centre.tell('open');
    await until(() => attendance.current, 'connected');
    assert.deepEqual(room.offers, [{ token: 't1', turn: 'u1' }, { token: 't2', turn: 'u2' }]);
  }));

/** The ticket is taken no longer: the line ends, and is refused when it is asked for again. */
async function refuseLine(centre, status) {
  centre.refusal = status;
  centre.streams[centre.streams.length - 1].close();
  const before = centre.lines.length;
  await until(() => centre.lines.length > before, 'the line is asked for again');
}

for (const status of [401, 403, 404, 410])
  test('whose line is refused with ' + status + ' asks for a ticket until there is one, and hears Start', () =>
    attending(async ({ centre, room, attendance }) => {
      let isRefused = false;
      attendance.addEventListener('refused', () => (isRefused = true));
      const hotel = new Response('<html>Sign in for Wi-Fi</html>');
      centre.troubles = [new TypeError('no network'), 503, 502, hotel, 429];
      await refuseLine(centre, status);
      await until(() => attendance.askingAt !== null, 'it says that it asks');
      centre.refusal = 0;
      const waking = setInterval(() => attendance.wake(), 20); // or this would take ten seconds
      await until(() => centre.streams.length === 2, 'the line stands again').finally(() => clearInterval(waking));
      assert.equal(centre.joins, 7);
      assert.equal(attendance.askingAt, null);
      centre.tell('open');
      await until(() => attendance.current, 'connected');
      assert.deepEqual(room.offers, [{ token: 't2', turn: 'u2' }]);
      assert.ok(!isRefused);
    }));

test('asking for a ticket slows down, and waking hurries it', () =>
  attending(async ({ centre, attendance }) => {
    centre.troubles = new Array(99).fill(503);
    await refuseLine(centre, 401);
    await until(() => centre.joins === 4, 'asked three times'); // 0.3 s and 0.6 s between them, at most
    const at = performance.now();
    attendance.wake();
    await until(() => centre.joins === 5, 'asked at once');
    assert.ok(performance.now() - at < 550); // by itself 0.6 s, at least
  }));

test('who leaves asks no more', () =>
  attending(async ({ centre, attendance }) => {
    centre.troubles = new Array(99).fill(503);
    await refuseLine(centre, 401);
    await until(() => centre.joins === 2, 'asked');
    attendance.leave();
    await new Promise((resolve) => setTimeout(resolve, 500)); // longer than the first wait
    assert.equal(centre.joins, 2);
    assert.equal(attendance.askingAt, null);
  }));

test('a ticket that is refused for good ends the asking and is told once', () =>
  attending(async ({ centre, attendance }) => {
    const told = [];
    attendance.addEventListener('refused', (event) => told.push(event.detail.code));
    centre.troubles = [503, 404, 404];
    await refuseLine(centre, 401);
    await until(() => told.length, 'refused');
    await new Promise((resolve) => setTimeout(resolve, 500));
    assert.deepEqual(told, ['link-wrong']);
    assert.equal(centre.joins, 3);
  }));

test('who asks for a ticket after the end is told the end', () =>
  attending(async ({ centre, attendance }) => {
    const told = [];
    attendance.addEventListener('phase', (event) => told.push(event.detail));
    centre.troubles = [new Response(JSON.stringify({ code: 'lesson-ended' }), { status: 410 })];
    await refuseLine(centre, 404);
    await until(() => told.length, 'told');
    assert.deepEqual(told, [{ phase: 'ended', reason: 'lesson-ended' }]);
  }));

test('a line that is refused with each new ticket is not asked for without a pause', () =>
  attending(async ({ centre }) => {
    await refuseLine(centre, 404);
    await new Promise((resolve) => setTimeout(resolve, 600));
    assert.ok(centre.joins >= 2 && centre.joins <= 5, String(centre.joins));
  }));

test('no refusal of a ticket sends away whom the room still serves', () =>
  attending(async ({ centre, attendance }) => {
    centre.tell('open');
    await until(() => attendance.current, 'connected');
    centre.troubles = [404];
    await refuseLine(centre, 401);
    await until(() => centre.joins === 2 && attendance.askingAt === null, 'asked and refused');
    assert.equal(attendance.current.state, 'receiving');
  }));

test('a body that stalls after its headers is late, and not waited for without end', async () => {
  const real = globalThis.fetch;
  globalThis.fetch = async (path, { signal }) => {
    const stalled = new ReadableStream({
      start: (body) => signal.addEventListener('abort', () => body.error(new DOMException('aborted', 'AbortError'))),
    });
    return new Response(stalled, { status: 200, headers: { 'Content-Type': 'application/json' } });
  };
  try {
    await assert.rejects(json('/api/v1/join', { timeoutMs: 20 }), { code: 'timeout' });
    await assert.rejects(requestText('/whep/b12', { timeoutMs: 20 }), { code: 'timeout' });
  } finally {
    globalThis.fetch = real;
  }
});

test('a line that is cut is not told as a damaged file', async () => {
  const cut = new ReadableStream({ start: (body) => body.error(new TypeError('network error')) });
  await assert.rejects(openSealed(cut, 10, null, () => undefined), { code: 'network' });
});
