// Records what a page presents and plays; put into it before its own scripts. All times are milliseconds of the wall
// clock (performance.timeOrigin + performance.now()), so that pages and capture processes of one machine share a clock.
//
// `seen.tracks[name]` for each video of the page, by its id: `count` pictures presented; `first`, and `firstReal` for
// the first whose time strip was read (a stand-in has none), `firstReceived` for when it had arrived; `captured`, the
// newest strip; `pairs`, while `seen.keepsPairs`, one [captured, received, composed, shown] for each picture.
// `seen.flashes` are the instants at which a white camera picture was shown, `seen.beeps` (after `seen.listen()`) those
// at which a beep left the loudspeaker. `seen.clicks` are the newest click on each element with an id.
'use strict';
(() => {
  const BLOCKS = 48;
  const BITS = 41;
  const CHECK = 31;
  const BRIGHT = 125;
  /** A flash is 235 from edge to edge; the drawn classroom has windows, but no row of nothing else. */
  const FLASH = 215;

  const wall = (ms) => performance.timeOrigin + ms;
  const seen = { tracks: {}, flashes: [], beeps: [], clicks: {}, keepsPairs: false, unread: 0, mistaken: 0, playDelays: [] };
  Object.defineProperty(window, 'seen', { value: seen });

  addEventListener('click', (event) => {
    const pressed = event.target instanceof Element && event.target.closest('[id]');
    if (pressed) seen.clicks[pressed.id] = wall(event.timeStamp);
  }, true);

  /** Forget what was seen of pictures and sound, so that the next one is the first again. */
  seen.forget = () => {
    for (const track of Object.values(seen.tracks)) Object.assign(track, fresh());
    seen.flashes.length = seen.beeps.length = 0;
    seen.unread = seen.mistaken = 0;
  };
  const fresh = () => ({ count: 0, first: null, firstReal: null, firstReceived: null, captured: null, pairs: [], wasWhite: false });

  /** How wide a block of the strip may be: in a picture of its own size, or of a layer smaller than the usual camera or board. */
  const sides = (width) => [Math.floor(width / BLOCKS / 2) * 2, (width * 26) / 1280, (width * 40) / 1920];

  /** The wall clock in the time strip of a row, or null; the strip is told in agent/devices/simulated.py. */
  function readStrip(bright, side) {
    let text = '';
    for (let block = 0; block < BLOCKS; block += 1) text += bright(Math.floor((block + 0.5) * side)) > BRIGHT ? '1' : '0';
    if (!text.startsWith('10')) return null;
    const ms = parseInt(text.slice(2, 2 + BITS), 2);
    const isNow = Math.abs(ms - wall(performance.now())) < 120000; // four check bits alone are not many
    return isNow && ms % CHECK === parseInt(text.slice(2 + BITS), 2) ? ms : null;
  }

  /** Copy one row of the picture; return how bright it is at each x: its luma, or the green of a browser that gives RGB. */
  async function row(frame, y, width) {
    const options = { rect: { x: 0, y: y & ~1, width: width & ~1, height: 2 } };
    const size = frame.allocationSize(options);
    const into = new Uint8Array(size);
    const [plane] = await frame.copyTo(into, options);
    return /^(BGR|RGB)/.test(frame.format) ? (x) => into[plane.offset + 4 * x + 1] : (x) => into[plane.offset + x];
  }

  async function look(track, name, frame, times) {
    const { codedWidth, codedHeight } = frame;
    try {
      let captured = null;
      for (const side of sides(codedWidth)) {
        if (captured !== null) break;
        captured = readStrip(await row(frame, side >> 1, codedWidth), side);
      }
      if (captured === null) seen.unread += 1;
      else {
        track.captured = captured;
        if (track.firstReal === null) [track.firstReal, track.firstReceived] = [times.shown, times.received];
        if (seen.keepsPairs) track.pairs.push([captured, times.received, times.composed, times.shown]);
      }
      if (name !== 'camera') return;
      const middle = await row(frame, codedHeight >> 1, codedWidth);
      let darkest = 255;
      for (let x = 0; x < codedWidth; x += 16) darkest = Math.min(darkest, middle(x));
      const isWhite = darkest > FLASH;
      if (isWhite && !track.wasWhite) seen.flashes.push(times.shown);
      track.wasWhite = isWhite;
    } finally {
      frame.close();
    }
  }

  function follow(video) {
    const name = video.id || 'video';
    const track = (seen.tracks[name] = fresh());
    let looking = Promise.resolve();
    const onFrame = (now, metadata) => {
      video.requestVideoFrameCallback(onFrame);
      const times = {
        received: metadata.receiveTime === undefined ? null : wall(metadata.receiveTime),
        composed: wall(metadata.presentationTime),
        shown: wall(metadata.expectedDisplayTime),
      };
      track.count += 1;
      if (track.first === null) track.first = times.shown;
      let frame;
      try {
        frame = new VideoFrame(video);
      } catch (error) {
        seen.mistaken += 1; // its stream was taken away since this callback was due
        return;
      }
      // The video may have gone on to its next picture since this callback was due: that would be another's time.
      if (Math.abs(frame.timestamp / 1e6 - metadata.mediaTime) > 0.001) {
        seen.mistaken += 1;
        frame.close();
        return;
      }
      looking = looking.then(() => look(track, name, frame, times)).catch(() => undefined);
    };
    video.requestVideoFrameCallback(onFrame);
  }

  const EAR = `registerProcessor('ear', class extends AudioWorkletProcessor {
    process([input]) {
      const samples = input[0] || [];
      const at = samples.findIndex((sample) => Math.abs(sample) > LOUD);
      if (at >= 0) {
        if (!this.held) this.port.postMessage(currentTime + at / sampleRate);
        this.held = 50;
      } else if (this.held) this.held -= 1;
      return true;
    }
  });`;

  /**
   * Listen to what a video plays; `loud` is the amplitude, 0…1, over which it is a beep. A beep is told with the time
   * at which it leaves the audio output, which the browser knows (AudioContext.getOutputTimestamp).
   */
  seen.listen = async (video, loud) => {
    const audio = new AudioContext({ latencyHint: 0, sampleRate: 48000 });
    const source = URL.createObjectURL(new Blob([EAR.replace('LOUD', String(loud))], { type: 'text/javascript' }));
    await audio.audioWorklet.addModule(source);
    const ear = new AudioWorkletNode(audio, 'ear');
    ear.port.onmessage = ({ data }) => {
      const output = audio.getOutputTimestamp();
      seen.beeps.push(wall(output.performanceTime + (data - output.contextTime) * 1000));
      seen.playDelays.push((audio.currentTime - output.contextTime) * 1000);
    };
    audio.createMediaStreamSource(new MediaStream(video.srcObject.getAudioTracks())).connect(ear);
    ear.connect(audio.destination);
    await audio.resume();
  };

  addEventListener('DOMContentLoaded', () => document.querySelectorAll('video').forEach(follow));
})();
