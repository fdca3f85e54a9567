// Runs on the browser's sound thread: tells the power of each 40 ms that passes, and lets nothing out.

/** @typedef {{port: MessagePort}} Processor */
const { AudioWorkletProcessor, registerProcessor, sampleRate } = /** @type {any} */ (globalThis);
const LEVEL_SAMPLES = Math.round(sampleRate * 0.04);

class Levels extends AudioWorkletProcessor {
  constructor() {
    super();
    this.energy = 0;
    this.count = 0;
  }

  /** @param {Float32Array[][]} inputs */
  process(inputs) {
    const samples = inputs[0] && inputs[0][0];
    const length = samples ? samples.length : 128; // nothing is connected yet, or the sound paused: silence
    for (let i = 0; i < length; i += 1) {
      if (samples) this.energy += samples[i] * samples[i];
      this.count += 1;
      if (this.count < LEVEL_SAMPLES) continue;
      this.port.postMessage(this.energy / LEVEL_SAMPLES);
      this.energy = 0;
      this.count = 0;
    }
    return true;
  }
}

registerProcessor('levels', Levels);
