// What a connection really receives, from getStats: rates between two looks, and totals.

/** @typedef {'sound' | 'board' | 'camera'} Track */

/**
 * @typedef {object} TrackSample
 * @property {number} packets received since the last look
 * @property {number} lost
 * @property {number} fps decoded pictures a second
 * @property {number} kbps
 * @property {number} width
 * @property {number} height
 * @property {number | null} energy share 0…1 of full sound, over the time since the last look
 */

/**
 * @typedef {object} Sample
 * @property {Record<Track, TrackSample>} tracks
 * @property {number} lossPercent
 * @property {number | null} rttMs
 * @property {number} kbps
 * @property {number} bytes since the connection began; like `kbps` with what came over data channels
 * @property {string} path `host`, `srflx`, `prflx`, `relay`, or empty
 */

/** Reads the reports of one connection. */
export class Meter {
  constructor() {
    /** @private @type {Record<string, {packets: number, lost: number, frames: number, bytes: number, energy: number, seconds: number}>} */
    this.last = {};
    /** What came over each data channel, by the id of its report: one that was closed is reported no more. @private @type {Record<string, number>} */
    this.data = {};
    /** @private @type {number | null} */
    this.lastMs = null;
  }

  /**
   * @param {{forEach: (callback: (entry: any) => void) => void}} report
   * @param {Record<string, Track>} trackOf by mid or by id of the receiver's track: older browsers report no mid
   * @param {number} nowMs monotonic
   * @returns {Sample}
   */
  read(report, trackOf, nowMs) {
    const seconds = this.lastMs === null ? 0 : (nowMs - this.lastMs) / 1000;
    this.lastMs = nowMs;
    /** @type {Record<Track, TrackSample>} */
    const tracks = { sound: nothing(), board: nothing(), camera: nothing() };
    let received = 0;
    let lost = 0;
    let bytes = 0;
    let kbps = 0;
    /** @type {Record<string, any>} */
    const byId = {};
    const rate = (/** @type {number} */ delta) => (seconds > 0 ? Math.max(0, delta) / seconds : 0);
    const dataBefore = total(this.data);
    /** @type {any} */
    let pair = null;
    report.forEach((entry) => {
      byId[entry.id] = entry;
      if (entry.type === 'data-channel') this.data[entry.id] = entry.bytesReceived || 0;
      if (entry.type === 'candidate-pair' && entry.nominated && entry.state === 'succeeded') pair = entry;
    });
    for (const id of Object.keys(byId)) {
      const entry = byId[id];
      if (entry.type !== 'inbound-rtp') continue;
      const media = entry.trackId && byId[entry.trackId]; // old browsers keep some of it in a report of its own
      const name =
        trackOf[entry.mid] || trackOf[entry.trackIdentifier] || trackOf[media ? media.trackIdentifier : ''] ||
        (entry.kind === 'audio' ? 'sound' : undefined);
      if (!name) continue;
      const now = {
        packets: entry.packetsReceived || 0,
        lost: Math.max(0, entry.packetsLost || 0),
        frames: entry.framesDecoded || 0,
        bytes: entry.bytesReceived || 0,
        energy: first(entry.totalAudioEnergy, media && media.totalAudioEnergy),
        seconds: first(entry.totalSamplesDuration, media && media.totalSamplesDuration),
      };
      const was = this.last[name] || { packets: 0, lost: 0, frames: 0, bytes: 0, energy: 0, seconds: 0 };
      this.last[name] = now;
      bytes += now.bytes;
      const heardS = now.seconds - was.seconds;
      tracks[name] = {
        packets: Math.max(0, now.packets - was.packets),
        lost: Math.max(0, now.lost - was.lost),
        fps: rate(now.frames - was.frames),
        kbps: (rate(now.bytes - was.bytes) * 8) / 1000,
        width: entry.frameWidth || (media && media.frameWidth) || 0,
        height: entry.frameHeight || (media && media.frameHeight) || 0,
        energy: heardS > 0 ? Math.sqrt(Math.max(0, now.energy - was.energy) / heardS) : null,
      };
      received += tracks[name].packets;
      lost += tracks[name].lost;
      kbps += tracks[name].kbps;
    }
    const data = total(this.data);
    const local = pair && byId[pair.localCandidateId];
    return {
      tracks,
      lossPercent: received + lost > 0 ? Math.min(100, (100 * lost) / (received + lost)) : 0,
      rttMs: pair && pair.currentRoundTripTime != null ? pair.currentRoundTripTime * 1000 : null,
      kbps: kbps + (rate(data - dataBefore) * 8) / 1000,
      bytes: bytes + data,
      path: (local && local.candidateType) || '',
    };
  }
}

/** @param {Record<string, number>} counts */
function total(counts) {
  return Object.keys(counts).reduce((sum, id) => sum + counts[id], 0);
}

/** @returns {TrackSample} */
function nothing() {
  return { packets: 0, lost: 0, fps: 0, kbps: 0, width: 0, height: 0, energy: null };
}

/** @param {number | undefined} one @param {number | undefined} other */
function first(one, other) {
  return one !== undefined ? one : other !== undefined ? other : 0;
}
