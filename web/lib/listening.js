// How loud what this page plays is, 40 ms by 40 ms, and when the room said it. Numbers only; no sound leaves the page.

/** What is told at once: a second. */
const LEVELS = 25;
const LEVEL_MS = 40;
/** How often the browser is asked where it counts loudness by itself; Chromium counts in steps of 100 ms. */
const ASK_MS = 100;
/** Levels that come no more for so long: the sound thread stands still, or was never let to run. */
const STALE_MS = 400;
const RTP_PER_MS = 48;

/**
 * Listens to one receiver at a time. Where the browser lets a sound thread of ours run beside the one that plays, by
 * that; else by what the browser counts itself. What is heard is never touched.
 */
export class Listening {
  /** @param {{now?: () => number, newContext?: () => AudioContext | null}} [parts] monotonic milliseconds */
  constructor(parts) {
    /** @private */
    this.now = (parts && parts.now) || (() => performance.now());
    /** @private */
    this.newContext = (parts && parts.newContext) || newContext;
    /** @private @type {RTCRtpReceiver | null} */
    this.receiver = null;
    /** @private @type {AudioContext | null} */
    this.context = null;
    /** @private @type {AudioWorkletNode | null} */
    this.meter = null;
    /** @private @type {MediaStreamAudioSourceNode | null} */
    this.source = null;
    /** Of the sound thread, not told yet. @private @type {number[]} */
    this.powers = [];
    /** @private */
    this.levelAt = -Infinity;
    /** What the browser counted, newest last. @private @type {{at: number, energy: number}[]} */
    this.counted = [];
    /** @private @type {ReturnType<typeof setInterval> | undefined} */
    this.asking = undefined;
  }

  /** Listen to what this receiver gives from now on. @param {RTCRtpReceiver} receiver */
  async attach(receiver) {
    this.detach();
    this.receiver = receiver;
    this.asking = setInterval(() => this.ask(), ASK_MS);
    try {
      const context = await this.wake();
      if (!context || !this.meter || this.receiver !== receiver) return;
      this.source = context.createMediaStreamSource(new MediaStream([receiver.track]));
      this.source.connect(this.meter);
    } catch (error) {
      this.source = null; // an old browser: it is asked what it counts
    }
  }

  /** Listen to nothing. */
  detach() {
    clearInterval(this.asking);
    if (this.source) this.source.disconnect();
    this.source = this.receiver = null;
    this.powers = [];
    this.counted = [];
    this.levelAt = -Infinity;
  }

  /** After a touch: the browser may let the sound thread run now. */
  touched() {
    if (this.context && this.context.state === 'suspended') this.context.resume().catch(() => undefined);
  }

  /**
   * The newest second that was not told yet, oldest first, and the RTP time of what is played now, at its end.
   *
   * @returns {{levels: number[], playedRtp: number | null}}
   */
  take() {
    const powers = this.isLive() ? this.powers.splice(0).slice(-LEVELS) : this.counts();
    return { levels: powers.map(dbfs), playedRtp: powers.length ? this.playedRtp() : null };
  }

  /** @private */
  isLive() {
    return this.now() - this.levelAt < STALE_MS;
  }

  /** @private The sound thread, made once. @returns {Promise<AudioContext | null>} */
  async wake() {
    if (!this.context) {
      const context = (this.context = this.newContext());
      if (!context || !context.audioWorklet) return null;
      await context.audioWorklet.addModule(new URL('./levels_worklet.js', import.meta.url).href);
      const meter = (this.meter = new AudioWorkletNode(context, 'levels', { channelCount: 1, channelCountMode: 'explicit' }));
      meter.port.onmessage = (event) => this.onLevel(event.data);
      meter.connect(context.destination); // silence, so that every browser runs it
    }
    this.touched();
    return this.context;
  }

  /** @private @param {number} power */
  onLevel(power) {
    if (!this.source) return;
    this.levelAt = this.now();
    this.powers.push(power);
    if (this.powers.length > 2 * LEVELS) this.powers.shift();
  }

  /** @private */
  async ask() {
    const { receiver } = this;
    if (!receiver || this.isLive()) return;
    const report = await receiver.getStats().catch(() => null);
    if (!report || receiver !== this.receiver) return;
    /** @type {any} */
    let found = null;
    report.forEach((entry) => {
      if (entry.totalAudioEnergy !== undefined && (entry.type === 'inbound-rtp' || !found)) found = entry;
    });
    if (!found) return;
    this.counted.push({ at: this.now(), energy: found.totalAudioEnergy });
    if (this.counted.length > 30) this.counted.shift();
  }

  /** @private The last second as the browser counted it, in steps of 40 ms. @returns {number[]} */
  counts() {
    const all = this.counted;
    if (all.length < 2) return [];
    const end = all[all.length - 1].at;
    const count = Math.min(LEVELS, Math.floor((end - all[0].at) / LEVEL_MS));
    const powers = [];
    for (let i = count; i > 0; i -= 1) {
      const gained = energyAt(all, end - (i - 1) * LEVEL_MS) - energyAt(all, end - i * LEVEL_MS);
      powers.push(Math.max(0, gained) / (LEVEL_MS / 1000));
    }
    return powers;
  }

  /** @private @returns {number | null} */
  playedRtp() {
    const { receiver } = this;
    if (!receiver || !receiver.getSynchronizationSources) return null;
    /** @type {any} */
    const source = receiver.getSynchronizationSources()[0];
    if (!source || typeof source.rtpTimestamp !== 'number') return null;
    const agoMs = performance.timeOrigin + performance.now() - source.timestamp;
    const sinceMs = agoMs > 0 && agoMs < 1000 ? agoMs : 0;
    return (source.rtpTimestamp + Math.round(sinceMs * RTP_PER_MS)) % 2 ** 32;
  }
}

/** @param {{at: number, energy: number}[]} all @param {number} at */
function energyAt(all, at) {
  let i = 1;
  while (i < all.length - 1 && all[i].at < at) i += 1;
  const [one, other] = [all[i - 1], all[i]];
  const share = Math.min(1, Math.max(0, (at - one.at) / (other.at - one.at || 1)));
  return one.energy + share * (other.energy - one.energy);
}

/** @param {number} power @returns {number} whole dBFS, as the room takes them */
function dbfs(power) {
  return Math.max(-127, Math.min(0, Math.round(10 * Math.log10(Math.max(power, 1e-13)))));
}

/** @returns {AudioContext | null} */
function newContext() {
  const Context = /** @type {any} */ (globalThis).AudioContext;
  return Context ? new Context({ latencyHint: 'balanced' }) : null;
}
