// The floor: a sentence, then the browser's question for the microphone, then what the room says of it. The microphone is
// open only while this card says so.

import { ApiError } from '../lib/api.js';
import { WhipConnection } from '../lib/whip.js';
import { announce, el, say, words } from './page.js';

/** @typedef {import('../lib/attendance.js').Attendance} Attendance */
/** @typedef {import('../lib/protocol').You} You */
/** @typedef {import('../lib/protocol').Talk} Told */

/** @typedef {'none' | 'invited' | 'asking' | 'connecting' | 'waiting' | 'heard' | 'no-loudspeaker' | 'paused' | 'failed' | 'over'} State */

/** How the microphone is asked for: the browser's own processing, for the room's loudspeaker may reach it. */
const MICROPHONE = { audio: { echoCancellation: true, noiseSuppression: true, autoGainControl: true, channelCount: 1 } };
const METER_MS = 100;
/** For so long the card says that the floor is over, when the teacher ended it. */
const READ_MS = 5000;
/** Quietest level that the meter shows. */
const FLOOR_DB = -60;
/** States in which the microphone is open. */
const OPEN = ['connecting', 'waiting', 'heard', 'no-loudspeaker', 'paused'];
/** What a browser says when there is no microphone, by the words that say what to do. @type {Record<string, string>} */
const WHY = {
  NotAllowedError: 'denied',
  SecurityError: 'denied',
  NotFoundError: 'none',
  OverconstrainedError: 'none',
  NotReadableError: 'busy',
  AbortError: 'busy',
};

export class TalkCard {
  /** @param {Attendance} attendance */
  constructor(attendance) {
    /** @private */
    this.attendance = attendance;
    /** @private */
    this.maySpeak = false;
    /** @type {State} */
    this.state = 'none';
    /** Why it failed or is over: the end of a key, or a code of ours. @private */
    this.why = '';
    /** @private */
    this.isRoomMuted = false;
    /** @private @type {MediaStream | null} */
    this.stream = null;
    /** @private @type {WhipConnection | null} */
    this.connection = null;
    /** @private @type {AudioContext | null} */
    this.audio = null;
    /** @private @type {ReturnType<typeof setInterval> | undefined} */
    this.meter = undefined;
    /** @private @type {ReturnType<typeof setTimeout> | undefined} */
    this.reading = undefined;
    el('talk-start').addEventListener('click', () => this.start());
    el('talk-end').addEventListener('click', () => this.decline());
  }

  /** Whether the microphone is open. */
  isOpen() {
    return OPEN.indexOf(this.state) >= 0;
  }

  /** @param {You | null} you null: the class is over or left */
  take(you) {
    const may = you !== null && !!you.may_speak;
    if (may === this.maySpeak) return;
    this.maySpeak = may;
    if (may) this.become('invited');
    else if (you !== null && this.isOpen()) this.end('teacher');
    else if (this.state !== 'over' || you === null) {
      this.release();
      this.become('none');
    } else this.show(); // what it says stands; it cannot be tried again
  }

  /** What the room says of this microphone. @param {Told} told */
  told(told) {
    if (!this.isOpen()) return;
    this.isRoomMuted = !!told.is_room_muted;
    if (told.state === 'ended') this.end(told.reason || 'lost');
    else this.become(told.state);
  }

  /** From a touch: ask for the microphone and connect it. */
  async start() {
    if (!this.maySpeak || this.isOpen() || this.state === 'asking') return;
    const ticket = this.attendance.ticket.answer;
    if (!ticket || !ticket.whip) return this.fail('unsupported');
    if (!window.isSecureContext || !navigator.mediaDevices) return this.fail(window.isSecureContext ? 'unsupported' : 'insecure');
    this.become('asking');
    try {
      const stream = await navigator.mediaDevices.getUserMedia(MICROPHONE);
      if (/** @type {State} */ (this.state) !== 'asking') return stop(stream); // the hand went down meanwhile
      this.stream = stream;
    } catch (error) {
      const name = error instanceof Error ? error.name : '';
      if (/** @type {State} */ (this.state) === 'asking') this.fail(WHY[name] || 'busy');
      return;
    }
    this.become('connecting');
    const track = this.stream.getAudioTracks()[0];
    track.addEventListener('ended', () => this.isOpen() && this.fail('none'));
    this.listen(this.stream);
    const connection = (this.connection = new WhipConnection({ url: ticket.whip, token: ticket.token, iceServers: ticket.ice_servers || [] }));
    connection.addEventListener('lost', () => this.connection === connection && this.end('lost'));
    try {
      await connection.connect(track);
    } catch (error) {
      if (this.connection === connection) this.fail(error instanceof ApiError ? error.code : 'internal');
    }
  }

  /** The pupil does not want to speak, has spoken, or puts away what it has read. */
  decline() {
    const wasOver = this.state === 'over';
    this.release();
    if (this.maySpeak && !wasOver) this.attendance.say({ type: 'hand', is_raised: false });
    this.become('none');
  }

  /** The page goes away. @param {{keepalive?: boolean}} [how] */
  release(how) {
    clearInterval(this.meter);
    if (this.audio) this.audio.close().catch(() => undefined);
    if (this.connection) this.connection.close(how);
    if (this.stream) stop(this.stream);
    this.audio = this.connection = this.stream = null;
  }

  /** @private @param {string} why */
  end(why) {
    this.release();
    this.why = why;
    this.become('over');
    if (why !== 'teacher') return;
    clearTimeout(this.reading);
    this.reading = setTimeout(() => this.state === 'over' && this.why === why && this.decline(), READ_MS); // it lies over the board
  }

  /** @private @param {string} why */
  fail(why) {
    this.release();
    this.why = why;
    this.become('failed');
  }

  /** @private @param {State} state */
  become(state) {
    const was = this.state;
    this.state = state;
    this.show();
    if (was === state || state === 'none') return;
    announce(el('talk-title').textContent + ' ' + el('talk-words').textContent);
    const { activeElement } = document;
    if (state === 'invited' && !(activeElement instanceof HTMLTextAreaElement)) el('talk-start').focus();
  }

  /** Put the words again. */
  show() {
    const { state } = this;
    const card = el('talk');
    card.hidden = state === 'none';
    card.dataset.state = state;
    card.dataset.open = String(this.isOpen());
    document.documentElement.dataset.microphone = this.isOpen() ? 'open' : 'closed';
    if (state === 'none' || !words.isLoaded) return;
    const isOver = state === 'failed' || state === 'over';
    say(el('talk-title'), words.t('talk.' + state));
    say(el('talk-words'), isOver ? this.reason() : words.t('talk.' + state + '.lead'));
    const isMuted = this.isRoomMuted && ['heard', 'no-loudspeaker', 'waiting'].indexOf(state) >= 0;
    say(el('talk-more'), isMuted ? words.t('talk.muted') : '');
    el('talk-more').hidden = !isMuted;
    el('talk-meter').hidden = !this.isOpen();
    const canStart = this.maySpeak && (state === 'invited' || (isOver && this.why !== 'teacher'));
    el('talk-start').hidden = !canStart;
    say(el('talk-start'), words.t(state === 'invited' ? 'talk.start' : 'talk.again'));
    say(el('talk-end'), words.t(this.isOpen() ? 'talk.end' : state === 'invited' ? 'talk.decline' : state === 'asking' ? 'talk.cancel' : 'close'));
  }

  /** @private */
  reason() {
    const key = 'talk.' + this.state + '.' + this.why;
    return words.has(key) ? words.t(key) : words.error(this.why, { time: words.duration(60) });
  }

  /** @private Show how loud the microphone is, so that one that hears nothing is seen. @param {MediaStream} stream */
  listen(stream) {
    const Context = window.AudioContext || /** @type {any} */ (window).webkitAudioContext;
    if (!Context) return;
    const audio = (this.audio = /** @type {AudioContext} */ (new Context()));
    const analyser = audio.createAnalyser();
    analyser.fftSize = 2048;
    audio.createMediaStreamSource(stream).connect(analyser);
    const samples = new Float32Array(analyser.fftSize);
    const bar = /** @type {HTMLElement} */ (el('talk-meter').firstElementChild);
    this.meter = setInterval(() => {
      analyser.getFloatTimeDomainData(samples);
      let power = 0;
      for (const sample of Array.from(samples)) power += sample * sample;
      const db = power > 0 ? 10 * Math.log10(power / samples.length) : FLOOR_DB;
      bar.style.transform = 'scaleX(' + Math.min(1, Math.max(0, 1 - db / FLOOR_DB)).toFixed(3) + ')';
    }, METER_MS);
  }
}

/** @param {MediaStream} stream */
function stop(stream) {
  for (const track of stream.getTracks()) track.stop();
}
