// WHEP (draft-ietf-wish-whep-04) as the pupil's page speaks it: one exchange, one connection, one object.

import { ApiError, request, requestText } from './api.js';
import { FROM_ROOM, LABEL, LessonChannel } from './channel.js';
import { Meter } from './meter.js';
import { LABEL as TILES } from './tiles.js';

/** @typedef {import('./protocol').IceServer} IceServer */
/** @typedef {import('./protocol').You} You */
/** @typedef {'sound' | 'board' | 'camera'} Track */

/** Order of the m-lines in the offer, before the data channel: part of the contract. @type {Track[]} */
const TRACKS = ['sound', 'board', 'camera'];
/** Candidates that come within this are one PATCH. */
const GATHER_MS = 30;
/** How often packets are looked for, and how long none may come. Sound never pauses, not even when the class does. */
const LOOK_MS = 250;
export const LOST_MS = 1000;
/** From the answer to the first packet; through TURN over TLS on a slow line this was seen to take 3 s. */
const FIRST_PACKET_MS = 6000;
/** A board that stands still is sent each two seconds. */
const BOARD_LOST_MS = 6000;

/**
 * One connection to the room. Single use: lost or closed, make another beside it.
 *
 * Events: `media` (the first packet came); `lost` {reason, isFinal}, and `back` if packets come
 * again by themselves; `closed` by us; `channel-open`, and what the room says on the lesson channel; `tiles` {ArrayBuffer},
 * a message of the board as tiles.
 */
export class WhepConnection extends EventTarget {
  /** @param {{tracks: Track[], hasChannel: boolean}} [what] all tracks and the lesson channel, if nothing else is said */
  constructor(what) {
    super();
    /** @private */
    this.names = what ? what.tracks : TRACKS;
    /** @private */
    this.hasChannel = !what || what.hasChannel;
    /** The room sends nothing here, for its media come from elsewhere: silence is no loss. */
    this.isResting = false;
    /** @type {RTCPeerConnection | null} */
    this.pc = null;
    /** @private @type {Promise<void> | null} */
    this.prepared = null;
    /** @private @type {RTCSessionDescriptionInit | null} */
    this.offer = null;
    /** @type {Record<string, RTCRtpTransceiver>} */
    this.transceivers = {};
    /** What the other side sends, once it has answered. @type {Partial<Record<Track, MediaStreamTrack>>} */
    this.tracks = {};
    /** @type {LessonChannel | null} */
    this.channel = null;
    this.meter = new Meter();
    /** `silent`: it received, and nothing has come for a while. @type {'new' | 'asking' | 'answered' | 'receiving' | 'silent' | 'lost' | 'closed'} */
    this.state = 'new';
    /** Where PATCH and DELETE go. @type {string | null} */
    this.location = null;
    /** @type {string | null} */
    this.etag = null;
    /** @type {string | null} */
    this.token = null;
    /** @private @type {RTCIceCandidate[]} */
    this.found = [];
    /** @private */
    this.isGathered = false;
    /** Whether the end of candidates was said. @private */
    this.isFinished = false;
    /** @private @type {Promise<void>} */
    this.patched = Promise.resolve();
    /** @private @type {ReturnType<typeof setTimeout> | undefined} */
    this.patchTimer = undefined;
    /** @private @type {ReturnType<typeof setTimeout> | undefined} */
    this.lookTimer = undefined;
    /** @private @type {AbortController | null} */
    this.abort = null;
    /** In the lobby: the room lets nothing through yet. */
    this.isKnocking = false;
    /** Who waits for the next packet. @private @type {(() => void)[]} */
    this.awaiting = [];
    /** performance.now() of the newest packet seen, and how many there were. @private */
    this.packetAt = 0;
    /** @private */
    this.packets = 0;
  }

  /** Make the connection and its offer, ahead of need: costs tens of milliseconds on a phone. */
  prepare() {
    if (!this.prepared) this.prepared = this.make();
    return this.prepared;
  }

  /** @private */
  async make() {
    if (typeof RTCPeerConnection === 'undefined') throw new ApiError('browser-too-old', 'this browser has no WebRTC');
    const pc = (this.pc = new RTCPeerConnection({ bundlePolicy: 'max-bundle' }));
    for (const name of this.names)
      this.transceivers[name] = pc.addTransceiver(name === 'sound' ? 'audio' : 'video', { direction: 'recvonly' });
    if (this.hasChannel) this.openChannel(pc);
    pc.addEventListener('track', (event) => {
      const name = this.names.find((track) => this.transceivers[track] === event.transceiver);
      if (!name) return;
      event.track.addEventListener('unmute', () => this.onPacket());
      this.tracks[name] = event.track;
    });
    pc.addEventListener('datachannel', ({ channel: opened }) => {
      if (opened.label !== TILES) return;
      opened.binaryType = 'arraybuffer';
      opened.addEventListener('message', (event) => this.tell('tiles', event.data));
    });
    pc.addEventListener('icecandidate', (event) => this.onCandidate(event.candidate));
    pc.addEventListener('connectionstatechange', () => {
      const { connectionState } = pc;
      if (connectionState === 'failed' || connectionState === 'closed') this.lose(connectionState);
      // In the lobby there are no packets whose absence would tell it sooner.
      if (connectionState === 'disconnected' && this.isKnocking) this.lose(connectionState);
    });
    this.offer = await pc.createOffer();
  }

  /** @private @param {RTCPeerConnection} pc */
  openChannel(pc) {
    const channel = (this.channel = new LessonChannel(pc.createDataChannel(LABEL)));
    channel.addEventListener('open', () => this.tell('channel-open'));
    channel.addEventListener('you', (event) => this.onYou(/** @type {CustomEvent<You>} */ (event).detail));
    for (const name of FROM_ROOM) channel.addEventListener(name, (event) => this.onMessage(name, /** @type {CustomEvent} */ (event).detail));
  }

  /** @private @param {string} name @param {any} message */
  onMessage(name, message) {
    if (name === 'play-from') this.rest(message.source !== 'room');
    this.tell(name, message);
  }

  /** Hear that the room sends nothing here, or that it does again. A room that says so is as good as its first packet. @param {boolean} isResting */
  rest(isResting) {
    this.isResting = isResting;
    this.packetAt = performance.now();
    if (isResting && this.state === 'answered') this.onPacket();
  }

  /**
   * Post the offer at once, without waiting for candidates, and take the answer.
   *
   * @param {{url: string, token: string, iceServers: IceServer[], timeoutMs: number}} to
   * @returns {Promise<void>} when the answer is in; media follow. Rejects with ApiError.
   */
  async connect(to) {
    await this.prepare();
    const pc = /** @type {RTCPeerConnection} */ (this.pc);
    if (this.state !== 'new') throw new ApiError('closed', 'a connection is used once');
    this.state = 'asking';
    this.token = to.token;
    this.abort = new AbortController();
    if (to.iceServers.length) pc.setConfiguration({ bundlePolicy: 'max-bundle', iceServers: to.iceServers.map(iceServer) });
    await pc.setLocalDescription(this.offer || (await pc.createOffer()));
    if (this.isOver()) throw new ApiError('closed', 'left while asking');
    const sdp = /** @type {RTCSessionDescription} */ (pc.localDescription).sdp;
    const { response, text: answer } = await requestText(to.url, {
      method: 'POST',
      body: sdp,
      headers: { 'Content-Type': 'application/sdp' },
      token: to.token,
      timeoutMs: to.timeoutMs,
      signal: this.abort.signal,
    });
    const location = response.headers.get('Location');
    this.location = location && new URL(location, new URL(response.url || to.url, self.location.href)).href;
    this.etag = response.headers.get('ETag');
    if (this.isOver()) {
      this.leave(false);
      throw new ApiError('closed', 'left while asking');
    }
    try {
      await pc.setRemoteDescription({ type: 'answer', sdp: answer });
    } catch (error) {
      throw new ApiError('answer-invalid', 'the answer cannot be used: ' + error);
    }
    if (this.isOver()) return;
    this.state = 'answered';
    this.packetAt = performance.now();
    this.schedulePatch();
    this.look();
  }

  /** Close and tell the other side. `keepalive`: the page is going away. @param {{keepalive?: boolean}} [how] */
  close(how) {
    if (this.state === 'closed') return;
    if (this.channel) this.channel.send({ type: 'bye' });
    this.tell('closed');
    this.state = 'closed';
    if (this.abort) this.abort.abort();
    this.leave(!!(how && how.keepalive));
    this.stop();
  }

  /** @private */
  isOver() {
    return this.state === 'closed' || this.state === 'lost';
  }

  /** @private */
  stop() {
    clearTimeout(this.patchTimer);
    clearTimeout(this.lookTimer);
    if (this.pc) this.pc.close();
  }

  /** @private @param {boolean} keepalive */
  leave(keepalive) {
    if (!this.location) return;
    request(this.location, { method: 'DELETE', token: this.token, keepalive, timeoutMs: keepalive ? 0 : 5000 }).catch(
      () => undefined, // the room also notices by itself that nobody receives
    );
    this.location = null;
  }

  /** It will not come back. @param {string} reason */
  lose(reason) {
    if (this.isOver()) return;
    this.state = 'lost';
    clearTimeout(this.lookTimer);
    clearTimeout(this.patchTimer);
    this.tell('lost', { reason, isFinal: true });
  }

  /** @private @param {string} name @param {unknown} [detail] */
  tell(name, detail) {
    if (this.state === 'closed') return;
    this.dispatchEvent(new CustomEvent(name, { detail }));
  }

  // --- candidates after the offer (RFC 9725 §4.3.2) ---------------------------------------------------------------

  /** @private @param {RTCIceCandidate | null} candidate */
  onCandidate(candidate) {
    if (candidate === null || candidate.candidate === '') this.isGathered = true;
    else this.found.push(candidate);
    if (this.location) this.schedulePatch();
  }

  /** @private */
  schedulePatch() {
    clearTimeout(this.patchTimer);
    if (!this.location || (!this.found.length && !this.isGathered)) return;
    this.patchTimer = setTimeout(() => {
      const candidates = this.found.splice(0);
      if (!candidates.length && this.isFinished) return;
      this.isFinished = this.isGathered;
      this.patched = this.patched.then(() => this.patch(candidates, this.isGathered));
    }, this.isGathered ? 0 : GATHER_MS);
  }

  /**
   * @private
   * @param {RTCIceCandidate[]} candidates
   * @param {boolean} isLast
   */
  async patch(candidates, isLast) {
    const local = this.pc && this.pc.localDescription;
    if (!this.location || !local) return;
    /** @type {Record<string, string>} */
    const headers = { 'Content-Type': 'application/trickle-ice-sdpfrag' };
    if (this.etag) headers['If-Match'] = this.etag;
    try {
      await request(this.location, {
        method: 'PATCH',
        body: fragment(local.sdp, candidates, isLast),
        headers,
        token: this.token,
        timeoutMs: 8000,
      });
    } catch (error) {
      // The connection may stand without them; if it does not, packets fail to come and that is told as a loss.
      console.info('candidates were not taken', error instanceof ApiError ? error.code : error);
    }
  }

  /** @param {number} mostMs @returns {Promise<void>} when a packet is seen, or after that time */
  nextPacket(mostMs) {
    return new Promise((resolve) => {
      this.awaiting.push(resolve);
      setTimeout(resolve, mostMs);
    });
  }

  // --- does anything arrive? --------------------------------------------------------------------------------------

  /** @private */
  look() {
    this.lookTimer = setTimeout(async () => {
      const packets = await this.countPackets().catch(() => this.packets);
      if (this.isOver()) return;
      if (this.isResting) this.packetAt = performance.now();
      const silentMs = performance.now() - this.packetAt;
      if (packets > this.packets) {
        this.packets = packets;
        this.onPacket();
      } else if (this.state === 'receiving' && silentMs > (this.transceivers.sound ? LOST_MS : BOARD_LOST_MS)) {
        this.state = 'silent';
        this.tell('lost', { reason: 'no packets', isFinal: false });
      } else if (this.state === 'answered' && !this.isKnocking && silentMs > FIRST_PACKET_MS) {
        this.lose('no first packet');
        return;
      }
      this.look();
    }, LOOK_MS);
  }

  /** @private The silence of the lobby is no loss; from the admission on it would be. @param {You} you */
  onYou(you) {
    if (this.isKnocking && you.is_admitted) this.packetAt = performance.now();
    this.isKnocking = !you.is_admitted;
  }

  /** @private */
  onPacket() {
    if (this.isOver()) return;
    this.packetAt = performance.now();
    for (const done of this.awaiting.splice(0)) done();
    const was = this.state;
    this.state = 'receiving';
    if (was === 'silent') this.tell('back');
    else if (was !== 'receiving') this.tell('media');
  }

  /** @private Count what arrived: from the sound alone when there is any, which is a small report. */
  async countPackets() {
    const pc = /** @type {RTCPeerConnection} */ (this.pc);
    const sound = this.transceivers.sound;
    const hasSound = sound && sound.currentDirection === 'recvonly';
    const report = await (hasSound ? sound.receiver.getStats() : pc.getStats());
    let packets = 0;
    report.forEach((entry) => {
      if (entry.type === 'inbound-rtp') packets += entry.packetsReceived || 0;
    });
    return packets;
  }

  /** What arrived since the last call. */
  async sample() {
    const pc = /** @type {RTCPeerConnection} */ (this.pc);
    /** @type {Record<string, Track>} */
    const trackOf = {};
    for (const name of TRACKS) {
      const mid = this.transceivers[name] && this.transceivers[name].mid;
      if (mid != null) trackOf[mid] = name;
      if (this.transceivers[name]) trackOf[this.transceivers[name].receiver.track.id] = name;
    }
    return this.meter.read(await pc.getStats(), trackOf, performance.now());
  }
}

/** @param {IceServer} server @returns {RTCIceServer} */
export function iceServer(server) {
  return server.username === null || server.credential === null
    ? { urls: server.urls }
    : { urls: server.urls, username: server.username, credential: server.credential };
}

/**
 * Write candidates as trickle-ice-sdpfrag (RFC 8840 §9), in the shape of RFC 9725 §4.3.2: the first m-line, under
 * which everything is bundled, with the ufrag and password of the offer.
 *
 * @param {string} sdp
 * @param {{candidate: string}[]} candidates
 * @param {boolean} isLast
 */
export function fragment(sdp, candidates, isLast) {
  const first = (/** @type {RegExp} */ pattern) => {
    const match = pattern.exec(sdp);
    return match ? match[0] : '';
  };
  const lines = [
    first(/^a=group:BUNDLE.*$/m),
    first(/^m=.*$/m),
    first(/^a=mid:.*$/m),
    first(/^a=ice-ufrag:.*$/m),
    first(/^a=ice-pwd:.*$/m),
    ...candidates.map((candidate) => 'a=' + candidate.candidate),
  ];
  if (isLast) lines.push('a=end-of-candidates');
  return lines.filter((line) => line !== '').map((line) => line.trim() + '\r\n').join('');
}
