// The board as tiles: parts of it, drawn where they belong as they come, in place of a video that the line cannot carry.

import { END, PART, readTile } from '../lib/tiles.js';

/** @typedef {import('../lib/tiles.js').TileMessage} TileMessage */

/** Whose message drew it is known for each cell of so many pixels: the room's parts begin and end at its edges. */
const CELL_PX = 16;

/**
 * Draws what comes over one connection's channel after another. Events: `change`, when the canvas is shown, drawn to, or
 * left for the video.
 *
 * Messages come in any order. Of two parts that overlap the one with the higher number stays; what is of an earlier
 * scene is not drawn any more.
 */
export class BoardTiles extends EventTarget {
  /** @param {HTMLCanvasElement} canvas @param {HTMLVideoElement} video */
  constructor(canvas, video) {
    super();
    this.canvas = canvas;
    this.video = video;
    /** The canvas is what is seen of the board. */
    this.isOn = false;
    /** Something of the board is on it. */
    this.hasPicture = false;
    /** Messages that were none, or whose picture could not be read. */
    this.ignored = 0;
    /** @private */
    this.isEnding = false;
    /** @private */
    this.scene = -1;
    /** @private Numbers, plus one, of the messages that drew each cell. @type {Uint32Array} */
    this.drawn = new Uint32Array(0);
    /** @private */
    this.received = 0;
    /** @private The newest message of the scene, and when it came. */
    this.newest = { number: -1, behindMs: 0, at: 0 };
    /** @private Time of the video when the room said that it goes on. */
    this.endedAtS = 0;
    video.addEventListener('timeupdate', () => {
      if (!(/** @type {any} */ (video).requestVideoFrameCallback) && video.currentTime !== this.endedAtS) this.leave();
    });
  }

  /** Another connection: its scenes count from the beginning. What is seen stays until it draws or shows a video. */
  reconnect() {
    this.scene = -1;
    if (this.isOn) this.end();
  }

  /** Leave the canvas at once. */
  clear() {
    this.isEnding = this.isOn = this.hasPicture = false;
    this.canvas.hidden = true;
    this.changed();
  }

  /** How long ago the board was as it is seen here; 0 when it is so now. @returns {number} milliseconds */
  ageMs() {
    const { number, behindMs, at } = this.newest;
    if (!this.isOn || this.isEnding || (behindMs === 0 && this.received === number + 1)) return 0;
    return behindMs + performance.now() - at;
  }

  /** @param {unknown} data one message */
  take(data) {
    const message = readTile(data);
    if (!message) this.ignored += 1;
    else if (message.scene >= this.scene) {
      if (message.scene > this.scene) this.begin(message);
      this.received += 1;
      if (message.number >= this.newest.number)
        this.newest = { number: message.number, behindMs: message.behindMs, at: performance.now() };
      if (message.kind === END) this.end();
      else if (message.kind === PART) this.draw(message);
    }
  }

  /** @private @param {TileMessage} message the first of its scene that came */
  begin(message) {
    const { canvas, video } = this;
    const isFirst = !this.isOn;
    this.scene = message.scene;
    this.received = 0;
    this.newest = { number: -1, behindMs: 0, at: performance.now() };
    this.drawn = new Uint32Array(Math.ceil(message.boardWidth / CELL_PX) * Math.ceil(message.boardHeight / CELL_PX));
    if (message.kind === END) return;
    const wasEnding = this.isEnding;
    this.isEnding = false;
    if (!wasEnding || canvas.width !== message.boardWidth || canvas.height !== message.boardHeight) {
      canvas.width = message.boardWidth; // clears it too
      canvas.height = message.boardHeight;
      this.hasPicture = false;
    }
    const context = canvas.getContext('2d');
    if (isFirst && context && video.videoWidth > 0) {
      // the video's last picture, on which the first parts are put: nothing jumps
      context.drawImage(video, 0, 0, canvas.width, canvas.height);
      this.hasPicture = true;
    }
    this.isOn = true;
    this.changed();
  }

  /** @private The room sends a video again: it is shown as soon as it moves. */
  end() {
    this.isEnding = true;
    this.endedAtS = this.video.currentTime;
    const video = /** @type {any} */ (this.video);
    if (video.requestVideoFrameCallback) video.requestVideoFrameCallback(() => this.leave());
  }

  /** @private */
  leave() {
    if (this.isOn && this.isEnding) this.clear();
  }

  /** @private @param {TileMessage} message */
  async draw(message) {
    let picture;
    try {
      picture = await decode(message.picture);
    } catch (error) {
      this.ignored += 1;
      return;
    }
    const context = this.canvas.getContext('2d');
    if (context && message.scene === this.scene) {
      for (const [x, y, width, height] of this.claim(message))
        context.drawImage(picture.image, x - message.x, y - message.y, width, height, x, y, width, height);
      this.hasPicture = true;
      this.changed();
    }
    picture.close();
  }

  /**
   * @private Take the cells of a message that no later one has drawn, as rectangles: one of the whole, or one a cell.
   * @param {TileMessage} message
   */
  claim(message) {
    const columns = Math.ceil(message.boardWidth / CELL_PX);
    const mark = message.number + 1;
    const right = message.x + message.width;
    const bottom = message.y + message.height;
    /** @type {[number, number, number, number][]} */
    const cells = [];
    let isWhole = true;
    for (let y = message.y; y < bottom; y += CELL_PX) {
      for (let x = message.x; x < right; x += CELL_PX) {
        const at = Math.floor(y / CELL_PX) * columns + Math.floor(x / CELL_PX);
        if (this.drawn[at] > mark) isWhole = false;
        else {
          this.drawn[at] = mark;
          cells.push([x, y, Math.min(CELL_PX, right - x), Math.min(CELL_PX, bottom - y)]);
        }
      }
    }
    return isWhole ? [[message.x, message.y, message.width, message.height]] : cells;
  }

  /** @private */
  changed() {
    this.canvas.hidden = !this.isOn;
    this.dispatchEvent(new CustomEvent('change'));
  }
}

/**
 * @param {BlobPart} bytes
 * @returns {Promise<{image: CanvasImageSource, close: () => void}>} rejects for what is no picture
 */
async function decode(bytes) {
  const blob = new Blob([bytes], { type: 'image/webp' });
  if (typeof createImageBitmap === 'function') {
    const image = await createImageBitmap(blob);
    return { image, close: () => image.close() };
  }
  const image = new Image();
  const url = URL.createObjectURL(blob);
  try {
    await new Promise((resolve, reject) => {
      image.onload = resolve;
      image.onerror = reject;
      image.src = url;
    });
  } finally {
    URL.revokeObjectURL(url);
  }
  return { image, close: () => undefined };
}
