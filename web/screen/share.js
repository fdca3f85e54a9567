// One share of a screen: from the code to its end, whatever the line does meanwhile. Knows no elements of the page.

import { ApiError, json } from '../lib/api.js';
import { Backoff } from '../lib/backoff.js';
import { WhipConnection } from '../lib/whip.js';

/** @typedef {import('../lib/protocol').ScreenAnswer} ScreenAnswer */

/** `asking`: the room has let go, and is asked whether that was all. @typedef {'code' | 'checking' | 'ready' | 'choosing' | 'connecting' | 'live' | 'asking' | 'lost' | 'over'} State */

/** What is asked of the browser: no larger than a board is sent, as often as a board changes, and no sound. */
const SCREEN = { video: { width: { max: 1920 }, height: { max: 1080 }, frameRate: { max: 15 } }, audio: false };
/** What the room's line and its decoder are spared. */
const ENCODING = { maxBitrate: 3000000, maxFramerate: 15 };
/** After these nothing is tried again: the share is over, or never was. */
const FINAL = ['screen-not-granted', 'screen-stopped', 'screen-replaced', 'screen-too-large', 'lesson-ended', 'token-invalid', 'no-common-codec'];
/** Codes whose words are for pupils, and what they mean here. @type {Record<string, string>} */
const HERE = { 'token-invalid': 'screen-not-granted', 'no-common-codec': 'screen-no-codec' };
/** The other end closed the connection: no fault of the network. */
const LET_GO = 'let-go';
/** A line that is gone for so long is given up for a new one, before the browser does. */
const GONE_MS = 4000;

/** Event: `change`, after each change of `state`, `why` or `stream`. */
export class Share extends EventTarget {
  constructor() {
    super();
    /** @type {State} */
    this.state = 'code';
    /** What went wrong, or why it is over: a code of ours or of the server's; empty for nothing. */
    this.why = '';
    /** How long to wait, where the server said it. @type {number | null} */
    this.waitS = null;
    /** @type {ScreenAnswer | null} */
    this.ticket = null;
    /** What is shared. @type {MediaStream | null} */
    this.stream = null;
    /** @type {WhipConnection | null} */
    this.connection = null;
    /** @private */
    this.backoff = new Backoff(500, 5000);
    /** @private @type {ReturnType<typeof setTimeout> | undefined} */
    this.gone = undefined;
  }

  /** Trade the code of the panel for a ticket. @param {string} code */
  async use(code) {
    this.become('checking');
    try {
      this.ticket = /** @type {ScreenAnswer} */ (await json('/api/v1/screen', { json: { code } }));
      this.become('ready');
    } catch (error) {
      this.become('code', error);
    }
  }

  /** From a touch: have the browser ask what to show, and show it; what was shown before goes on until then. */
  async choose() {
    const was = this.state;
    if (was === 'ready') this.become('choosing');
    /** @type {MediaStream} */
    let stream;
    try {
      stream = await navigator.mediaDevices.getDisplayMedia(SCREEN);
    } catch (error) {
      const isRefused = error instanceof Error && error.name === 'NotAllowedError';
      if (this.state === 'choosing') this.become('ready', new ApiError(isRefused ? 'screen-refused' : 'screen-failed', String(error)));
      return; // what is shown already goes on
    }
    if (!this.ticket || this.state === 'over') return stop(stream);
    const before = this.stream;
    this.stream = stream;
    const [track] = stream.getVideoTracks();
    track.contentHint = 'detail';
    track.addEventListener('ended', () => this.stream === stream && this.end());
    if (before) stop(before);
    if (was === 'ready') await this.run();
    else {
      this.tell();
      if (this.connection) await this.connection.replace(track).catch(() => this.state === 'live' && this.over('screen-failed'));
    }
  }

  /** Stop sharing; the code is used up. */
  end() {
    if (this.stream) this.over('screen-left');
  }

  /** The page goes away. */
  leave() {
    if (this.connection) this.connection.close({ keepalive: true });
  }

  /** Ask for another code. */
  again() {
    this.ticket = null;
    this.become('code');
  }

  /** @private Connect, again and again, until it is over. */
  async run() {
    this.become('connecting');
    const { ticket } = this;
    while (ticket && this.stream) {
      const connection = (this.connection = new WhipConnection({ url: ticket.whip, token: ticket.token, iceServers: ticket.ice_servers || [] }));
      try {
        await this.hold(connection);
      } catch (error) {
        const code = error instanceof ApiError ? error.code : 'internal';
        connection.close({ isReplaced: true });
        if (!this.stream) return;
        if (FINAL.includes(code)) return this.over(HERE[code] || code);
        if (code === LET_GO) this.become('asking');
        else this.become('lost', error);
        await this.backoff.wait();
      }
    }
  }

  /** @private Share over one connection until it is lost, and reject then. @param {WhipConnection} connection */
  async hold(connection) {
    const lost = new Promise((resolve, reject) => {
      connection.addEventListener('lost', (event) => {
        const { reason } = /** @type {CustomEvent<{reason: string}>} */ (event).detail;
        reject(new ApiError(reason === 'closed' ? LET_GO : 'network', 'the connection is ' + reason));
      });
      // nothing is said over it: that it closes tells at once that the room has let go
      const line = connection.pc.createDataChannel('screen');
      line.addEventListener('close', () => connection === this.connection && this.stream && reject(new ApiError(LET_GO, 'the room let go')));
      connection.pc.addEventListener('connectionstatechange', () => {
        clearTimeout(this.gone);
        const { connectionState } = connection.pc;
        if (connection !== this.connection || !this.stream) return;
        if (connectionState === 'connected') {
          this.backoff.reset();
          this.become('live');
        } else if (connectionState === 'disconnected') {
          this.become('lost', new ApiError('network', 'nothing comes through'));
          this.gone = setTimeout(() => reject(new ApiError('network', 'nothing came through')), GONE_MS);
        }
      });
    });
    lost.catch(() => undefined); // it may be lost while it is being connected
    const [track] = /** @type {MediaStream} */ (this.stream).getVideoTracks();
    await connection.connect(track, ENCODING);
    await lost;
  }

  /** @private @param {string} why */
  over(why) {
    clearTimeout(this.gone);
    const { stream, connection } = this;
    this.stream = this.connection = this.ticket = null;
    if (connection) connection.close();
    if (stream) stop(stream);
    this.backoff.hurry();
    this.become('over', new ApiError(why, 'over'));
  }

  /** @private @param {State} state @param {unknown} [error] */
  become(state, error) {
    this.state = state;
    this.why = error === undefined ? '' : error instanceof ApiError ? error.code : 'internal';
    this.waitS = error instanceof ApiError ? error.retryAfterS : null;
    this.tell();
  }

  /** @private */
  tell() {
    this.dispatchEvent(new CustomEvent('change'));
  }
}

/** @param {MediaStream} stream */
function stop(stream) {
  for (const track of stream.getTracks()) track.stop();
}
