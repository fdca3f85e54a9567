// WHIP (RFC 9725) as our pages speak it: one microphone or one screen, one connection, one object.

import { ApiError, request, requestText } from './api.js';
import { fragment, iceServer } from './whep.js';

/** @typedef {import('./protocol').IceServer} IceServer */

/** Addresses that are found within this go with the offer; what a relay takes longer for comes after it. */
const GATHER_MS = 500;
const ANSWER_MS = 12000;

/**
 * Sends one microphone or one screen to the room. Single use.
 *
 * Event: `lost` {reason}, when it will not come back by itself.
 */
export class WhipConnection extends EventTarget {
  /** @param {{url: string, token: string, iceServers: IceServer[]}} to */
  constructor(to) {
    super();
    /** @private */
    this.to = to;
    this.pc = new RTCPeerConnection({ bundlePolicy: 'max-bundle', iceServers: to.iceServers.map(iceServer) });
    /** Where PATCH and DELETE go. @type {string | null} */
    this.location = null;
    this.isClosed = false;
    /** @private @type {RTCIceCandidate[]} */
    this.found = [];
    /** @private */
    this.isGathered = false;
    /** @private @type {() => void} */
    this.gathered = () => undefined;
    this.pc.addEventListener('icecandidate', (event) => this.onCandidate(event.candidate));
    this.pc.addEventListener('connectionstatechange', () => {
      const { connectionState } = this.pc;
      if (!this.isClosed && (connectionState === 'failed' || connectionState === 'closed')) this.tell(connectionState);
    });
  }

  /**
   * Offer the track and take the answer. Rejects with ApiError.
   *
   * @param {MediaStreamTrack} track
   * @param {RTCRtpEncodingParameters} [encoding] its bounds
   */
  async connect(track, encoding) {
    const { pc, to } = this;
    pc.addTransceiver(track, { direction: 'sendonly', sendEncodings: encoding ? [encoding] : [] });
    await pc.setLocalDescription(await pc.createOffer());
    await Promise.race([new Promise((resolve) => (this.gathered = () => resolve(null))), new Promise((resolve) => setTimeout(resolve, GATHER_MS))]);
    if (this.isClosed) throw new ApiError('closed', 'ended while asking');
    const sdp = /** @type {RTCSessionDescription} */ (pc.localDescription).sdp;
    this.found = []; // they are in it
    const { response, text: answer } = await requestText(to.url, {
      method: 'POST',
      body: sdp,
      headers: { 'Content-Type': 'application/sdp' },
      token: to.token,
      timeoutMs: ANSWER_MS,
    });
    const location = response.headers.get('Location');
    this.location = location && new URL(location, new URL(response.url || to.url, self.location.href)).href;
    if (this.isClosed) {
      this.leave(false);
      throw new ApiError('closed', 'ended while asking');
    }
    try {
      await pc.setRemoteDescription({ type: 'answer', sdp: answer });
    } catch (error) {
      throw new ApiError('answer-invalid', 'the answer cannot be used: ' + error);
    }
    this.patch();
  }

  /** Send another track of the same kind in its place. @param {MediaStreamTrack} track */
  async replace(track) {
    const [sender] = this.pc.getSenders();
    if (sender) await sender.replaceTrack(track);
  }

  /**
   * Stop sending and tell the other side. `keepalive`: the page is going away; `isReplaced`: nothing has ended, for
   * another connection follows.
   *
   * @param {{keepalive?: boolean, isReplaced?: boolean}} [how]
   */
  close(how) {
    if (this.isClosed) return;
    this.isClosed = true;
    if (how && how.isReplaced) this.location = null;
    this.leave(!!(how && how.keepalive));
    this.pc.close();
  }

  /** @private @param {boolean} keepalive */
  leave(keepalive) {
    if (!this.location) return;
    request(this.location, { method: 'DELETE', token: this.to.token, keepalive, timeoutMs: keepalive ? 0 : 5000 }).catch(
      () => undefined, // the room also notices by itself that nothing comes
    );
    this.location = null;
  }

  /** @private @param {RTCIceCandidate | null} candidate */
  onCandidate(candidate) {
    if (candidate === null || candidate.candidate === '') {
      this.isGathered = true;
      this.gathered();
    } else this.found.push(candidate);
    if (this.location) this.patch();
  }

  /** @private Send what was found after the offer. */
  async patch() {
    const candidates = this.found.splice(0);
    const local = this.pc.localDescription;
    if (!this.location || !local || !candidates.length) return;
    const body = fragment(local.sdp, candidates, this.isGathered);
    const headers = { 'Content-Type': 'application/trickle-ice-sdpfrag' };
    try {
      await request(this.location, { method: 'PATCH', body, headers, token: this.to.token, timeoutMs: 8000 });
    } catch (error) {
      console.info('candidates were not taken', error instanceof ApiError ? error.code : error);
    }
  }

  /** @private @param {string} reason */
  tell(reason) {
    this.dispatchEvent(new CustomEvent('lost', { detail: { reason } }));
  }
}
