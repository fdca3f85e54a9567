// Looks at the pupil's page ten times a second, as a pupil does: what of the board is seen, and what is heard.
//
// Put into the page before its own scripts, behind `window.lineBoard` (benchmarks/line_lesson.py). `window.lineLooks` are
// the looks, as benchmarks/line_figures.py reads them.
'use strict';
(() => {
  const LOOK_MS = 100;
  const COMPARE_EVERY = 5;
  const WIDTH = 960;
  const HEIGHT = 540;
  const BLOCK = 16;
  /** A block with more contrast than this has something on it. */
  const MARKED = 12;
  /** A block looks as it should when it differs by less than these: levels, and share of its own contrast. */
  const NEAR = 12;
  const NEAR_SHARE = 0.35;

  const { rows, strokes, slides, inkTop } = window.lineBoard;
  const looks = (window.lineLooks = []);
  const connections = [];
  const whole = new OffscreenCanvas(WIDTH, HEIGHT).getContext('2d', { willReadFrequently: true });
  const band = new OffscreenCanvas(1920, 1080 - inkTop).getContext('2d', { willReadFrequently: true });

  /** What is seen of the board: its parts, or its video; null while there is neither. */
  function seen() {
    const parts = document.querySelector('canvas.parts');
    if (parts && !parts.hidden && parts.width) return [parts, parts.width, parts.height];
    const video = document.querySelector('video#board');
    return video && video.videoWidth ? [video, video.videoWidth, video.videoHeight] : null;
  }

  function grey(source, width, height) {
    whole.drawImage(source, 0, 0, width, height, 0, 0, WIDTH, HEIGHT);
    const { data } = whole.getImageData(0, 0, WIDTH, HEIGHT);
    const out = new Uint8Array(WIDTH * HEIGHT);
    for (let n = 0, at = 0; n < out.length; n += 1, at += 4) out[n] = (data[at] + 2 * data[at + 1] + data[at + 2]) >> 2;
    return out;
  }

  /** Calls back with each block above the ink, by the indices of its pixels. */
  function eachBlock(visit) {
    for (let y = 0; (y + BLOCK) * 2 <= inkTop; y += BLOCK)
      for (let x = 0; x < WIDTH; x += BLOCK) {
        const pixels = [];
        for (let dy = 0; dy < BLOCK; dy += 1) for (let dx = 0; dx < BLOCK; dx += 1) pixels.push((y + dy) * WIDTH + x + dx);
        visit(pixels);
      }
  }

  /** The blocks of a slide, with their pixels as they should be and their own contrast. */
  async function blocksOf(url) {
    const image = new Image();
    image.src = url;
    await image.decode();
    const picture = grey(image, image.width, image.height);
    const blocks = [];
    eachBlock((pixels) => {
      const sorted = pixels.map((at) => picture[at]).sort((one, other) => one - other);
      const ground = sorted[sorted.length >> 1];
      const contrast = pixels.reduce((sum, at) => sum + Math.abs(picture[at] - ground), 0) / pixels.length;
      blocks.push({ pixels, contrast, values: pixels.map((at) => picture[at]) });
    });
    return blocks;
  }

  /** The share of a slide's blocks that are seen as they should be, of the marked ones or of the bare ones: the lesser. */
  function share(blocks, picture) {
    const good = { marked: 0, bare: 0 };
    const all = { marked: 0, bare: 0 };
    for (const { pixels, contrast, values } of blocks) {
      let apart = 0;
      for (let n = 0; n < pixels.length; n += 1) apart += Math.abs(picture[pixels[n]] - values[n]);
      const kind = contrast > MARKED ? 'marked' : 'bare';
      all[kind] += 1;
      if (apart / pixels.length <= Math.max(NEAR, NEAR_SHARE * contrast)) good[kind] += 1;
    }
    return Math.min(good.marked / all.marked, good.bare / all.bare);
  }

  function lit(board) {
    if (!board) return [[], []];
    const [source, width, height] = board;
    band.drawImage(source, 0, (inkTop / 1080) * height, width, ((1080 - inkTop) / 1080) * height, 0, 0, 1920, 1080 - inkTop);
    return rows.map((y) =>
      strokes.flatMap(({ from, to }, place) => {
        const { data } = band.getImageData(from, y - inkTop - 2, to - from, 4);
        let sum = 0;
        for (let at = 0; at < data.length; at += 4) sum += data[at + 1];
        return sum / (data.length / 4) < 150 ? [place] : [];
      }),
    );
  }

  async function numbers() {
    const out = { connection: 0, samples: 0, concealed: 0, concealments: 0, sound_packets: 0, camera_frames: 0, camera_height_px: 0, freezes: 0 };
    const pc = window.estrade && window.estrade.connection;
    if (!pc) return out;
    if (connections.indexOf(pc) < 0) connections.push(pc);
    out.connection = connections.indexOf(pc) + 1;
    for (const entry of (await pc.getStats()).values()) {
      if (entry.type !== 'inbound-rtp') continue;
      if (entry.kind === 'audio') {
        out.samples = entry.totalSamplesReceived || 0;
        out.concealed = entry.concealedSamples || 0;
        out.concealments = entry.concealmentEvents || 0;
        out.sound_packets = entry.packetsReceived || 0;
      } else if (entry.mid === '2') {
        out.camera_frames = entry.framesDecoded || 0;
        out.camera_height_px = entry.frameHeight || 0;
        out.freezes = entry.freezeCount || 0;
      }
    }
    return out;
  }

  async function run() {
    const references = [];
    for (const url of slides) references.push(await blocksOf(url));
    for (let number = 0; ; number += 1) {
      const began = performance.now();
      const board = seen();
      const at_ms = performance.timeOrigin + began;
      let shares = null;
      if (board && number % COMPARE_EVERY === 0) {
        const picture = grey(...board);
        shares = references.map((blocks) => share(blocks, picture));
      }
      looks.push({ at_ms, lit: lit(board), shares, ...(await numbers()) });
      await new Promise((resolve) => setTimeout(resolve, Math.max(10, LOOK_MS - (performance.now() - began))));
    }
  }

  if (location.pathname.startsWith('/j/')) addEventListener('DOMContentLoaded', run);
})();
