// The two pictures and the sound: what is shown while nothing has come, while it runs, and when it stops.

import { el, say, words } from './page.js';
import { BoardTiles } from './tiles.js';

/** @typedef {'board' | 'camera'} Picture */
/** @typedef {import('../lib/meter.js').Sample} Sample */
/** @typedef {import('../lib/protocol').Notice} Notice */
/** @typedef {import('../lib/protocol').Sending} Sending */

/** After this, a picture that has not come gets a sentence that says why. */
const LATE_MS = 3000;
/** The board sends a picture every few seconds even when nothing changes, the camera 30 a second. */
const STUCK_MS = { board: 12000, camera: 4000 };
/** A board that comes as tiles says how old it is from this on. */
const OLD_MS = 5000;
/** @type {Picture[]} */
const PICTURES = ['board', 'camera'];

/** One picture: its video, the last picture of the connection before, and the words in place of both. */
class Tile {
  /** @param {Picture} name */
  constructor(name) {
    this.name = name;
    this.figure = el('tile-' + name);
    this.video = /** @type {HTMLVideoElement} */ (el(name));
    this.canvas = /** @type {HTMLCanvasElement} */ (this.figure.querySelector('canvas.last'));
    const parts = /** @type {HTMLCanvasElement | null} */ (this.figure.querySelector('canvas.parts'));
    /** What comes of the board in place of its video. */
    this.parts = parts && new BoardTiles(parts, this.video);
    if (this.parts) this.parts.addEventListener('change', () => this.onParts());
    this.poster = /** @type {HTMLElement} */ (this.figure.querySelector('.poster span'));
    this.note = /** @type {HTMLElement} */ (this.figure.querySelector('.note'));
    this.hasPicture = false;
    this.isOff = false;
    this.isStandIn = false;
    /** Why the room sends none of it here; '': it does. */
    this.whyNone = '';
    /** The whole connection is lost, and the page says so elsewhere. */
    this.isLost = false;
    this.startedAt = performance.now();
    /** Pictures that the browser counted at the last look. @type {{frames: number, at: number} | null} */
    this.counted = null;
    /** How many pictures were shown, as told with the newest. @private @type {number | null} */
    this.presented = null;
    /** @private */
    this.isFollowing = false;
    /** performance.now() when pictures last came. */
    this.movedAt = 0;
    const shown = () => {
      if (this.video.videoWidth > 0) this.onPicture();
    };
    for (const name of ['loadeddata', 'playing', 'resize', 'timeupdate']) this.video.addEventListener(name, shown);
  }

  /** @param {MediaStream} stream */
  show(stream) {
    if (this.parts) this.parts.reconnect();
    this.keepLast();
    this.hasPicture = false;
    this.startedAt = performance.now();
    this.video.srcObject = stream;
    this.update();
  }

  /** Copy what is seen now: a video that gets another stream goes blank at once. @private */
  keepLast() {
    const { videoWidth, videoHeight } = this.video;
    if (!this.hasPicture || !videoWidth || this.hasParts()) return;
    try {
      this.canvas.width = videoWidth;
      this.canvas.height = videoHeight;
      const context = this.canvas.getContext('2d');
      if (!context) return;
      context.drawImage(this.video, 0, 0);
      this.canvas.hidden = false;
    } catch (error) {
      this.canvas.hidden = true; // the words stand in
    }
  }

  /** @private */
  onPicture() {
    if (this.hasPicture) return;
    this.hasPicture = true;
    this.movedAt = performance.now();
    this.canvas.hidden = true;
    this.update();
  }

  /** Pictures a second shown since the last call, of tiles always one; null in the background, or where the browser does not count. */
  shownFps() {
    if (this.hasParts()) return 1; // a board that stands still is sent once
    const counted = this.countShown();
    const now = performance.now();
    const was = this.counted;
    this.counted = counted === null || document.visibilityState !== 'visible' ? null : { frames: counted, at: now };
    if (!was || !this.counted || now - was.at < 1) return null;
    return (Math.max(0, this.counted.frames - was.frames) * 1000) / (now - was.at);
  }

  /** @private Pictures shown so far; null where the browser does not count. */
  countShown() {
    const counted = this.video.getVideoPlaybackQuality ? this.video.getVideoPlaybackQuality().totalVideoFrames : null;
    if (counted !== 0 || !this.hasPicture || !('requestVideoFrameCallback' in this.video)) return counted;
    // Firefox counts none of a live stream there, and tells their number with each.
    if (!this.isFollowing) this.followShown();
    return this.presented;
  }

  /** @private */
  followShown() {
    this.isFollowing = true;
    this.video.requestVideoFrameCallback((now, { presentedFrames }) => {
      this.presented = presentedFrames;
      this.followShown();
    });
  }

  /** Whether tiles are what is seen. */
  hasParts() {
    return this.parts !== null && this.parts.isOn && this.parts.hasPicture;
  }

  /** @private */
  onParts() {
    this.movedAt = performance.now();
    if (this.hasParts()) this.canvas.hidden = true;
    this.update();
  }

  clear() {
    if (this.parts) this.parts.clear();
    this.video.srcObject = null;
    this.hasPicture = false;
    this.canvas.hidden = true;
    this.startedAt = performance.now();
    this.update();
  }

  update() {
    const now = performance.now();
    const hasParts = this.hasParts();
    const isPlaying = (hasParts || (this.hasPicture && !(this.parts && this.parts.isOn))) && !this.isOff;
    const state = isPlaying ? 'playing' : !this.isOff && !this.canvas.hidden ? 'last' : 'waiting';
    if (this.figure.dataset.state !== state) this.figure.dataset.state = state;
    const key = this.isOff ? 'off' : now - this.startedAt > LATE_MS ? 'late' : 'coming';
    const none =
      this.whyNone && !this.isOff && !this.isLost ? words.t('class.' + this.name + '.none') + ' ' + words.t('quality.why.' + this.whyNone) : '';
    say(this.poster, none || words.t('class.' + this.name + '.' + key));
    const stuckMs = this.hasPicture && !hasParts ? now - this.movedAt : 0;
    const ageMs = this.parts ? this.parts.ageMs() : 0;
    let note = '';
    if (this.isStandIn) note = words.t('class.' + this.name + '.standin');
    else if (none) {
      if (state !== 'waiting') note = none; // with nothing else to see, these words are in the picture's place
      if (state === 'playing' && stuckMs > STUCK_MS[this.name])
        note += ' ' + words.t('class.last-picture', { time: words.duration(stuckMs / 1000) });
    } else if (hasParts && !this.isOff && !this.isLost && ageMs > OLD_MS)
      note = words.t('class.board.age', { time: words.duration(ageMs / 1000) });
    else if (!this.isOff && !this.isLost && stuckMs > STUCK_MS[this.name])
      note = words.t('class.' + this.name + '.stuck', { time: words.duration(stuckMs / 1000) });
    say(this.note, note);
    this.note.hidden = note === '';
  }
}

/**
 * Both pictures and the sound.
 *
 * Events: `sound`, when whether the page plays sound has changed.
 */
export class Stage extends EventTarget {
  constructor() {
    super();
    this.tiles = { board: new Tile('board'), camera: new Tile('camera') };
    /** The sound is on this one, with the camera, so that lips and voice stay in step. */
    this.speaker = this.tiles.camera.video;
    this.root = el('class');
    /** The pupil's wish, apart from what the browser allows. */
    this.isMuted = false;
    this.volume = 1;
    this.isBlocked = false;
    this.speaker.addEventListener('volumechange', () => this.dispatchEvent(new CustomEvent('sound')));
    for (const name of PICTURES) {
      const button = this.tiles[name].figure.querySelector('.swap');
      if (button) button.addEventListener('click', () => this.setMain(name));
    }
  }

  /** @param {Picture} name */
  setMain(name) {
    this.root.dataset.main = name;
  }

  swap() {
    this.setMain(this.root.dataset.main === 'board' ? 'camera' : 'board');
  }

  /** @param {{sound?: MediaStreamTrack, board?: MediaStreamTrack, camera?: MediaStreamTrack}} tracks */
  show(tracks) {
    const together = [tracks.sound, tracks.camera].filter((track) => track !== undefined);
    this.tiles.camera.show(new MediaStream(/** @type {MediaStreamTrack[]} */ (together)));
    if (tracks.board) this.tiles.board.show(new MediaStream([tracks.board]));
    this.play();
  }

  clear() {
    this.tiles.board.clear();
    this.tiles.camera.clear();
    this.isBlocked = false;
  }

  /** Play what there is; where the browser wants a touch first, play the pictures without sound and ask. */
  play() {
    this.tiles.board.video.play().catch(() => undefined); // muted: refused only while hidden, and resumed then
    this.speaker.volume = this.volume;
    this.speaker.muted = this.isMuted;
    this.speaker.play().then(
      () => this.setBlocked(false),
      (error) => {
        if (!error || error.name !== 'NotAllowedError') return;
        this.setBlocked(!this.isMuted);
        this.speaker.muted = true;
        this.speaker.play().catch(() => undefined);
      },
    );
  }

  /** From a touch: play with sound. */
  unblock() {
    this.isMuted = false;
    this.setBlocked(false);
    this.play();
  }

  /** @private @param {boolean} isBlocked */
  setBlocked(isBlocked) {
    this.isBlocked = isBlocked;
    this.dispatchEvent(new CustomEvent('sound'));
  }

  /** @param {boolean} isMuted */
  setMuted(isMuted) {
    this.isMuted = isMuted;
    this.isBlocked = false;
    this.speaker.muted = isMuted;
    if (!isMuted && this.volume === 0) this.setVolume(1);
    if (!isMuted) this.play();
    this.dispatchEvent(new CustomEvent('sound'));
  }

  /** @param {number} volume 0…1 */
  setVolume(volume) {
    this.volume = volume;
    this.speaker.volume = volume; // iOS keeps its own and ignores this
    this.dispatchEvent(new CustomEvent('sound'));
  }

  /** What becomes of the sound that arrives. @returns {'playing' | 'blocked' | 'muted' | 'volume-0'} */
  output() {
    if (this.isBlocked) return 'blocked';
    if (this.isMuted || this.speaker.muted) return 'muted';
    if (this.speaker.paused) return 'blocked';
    return this.speaker.volume > 0 ? 'playing' : 'volume-0';
  }

  /** Pictures a second shown since the last call, of tiles always one; null where that cannot be known. @param {Picture} name */
  shownFps(name) {
    return this.tiles[name].shownFps();
  }

  /** @param {Notice | null} notice */
  take(notice) {
    for (const name of PICTURES) {
      this.tiles[name].isOff = notice !== null && !notice.paused && !notice.on_air[name];
      this.tiles[name].isStandIn = notice !== null && notice.stand_in.indexOf(name) >= 0;
      this.tiles[name].update();
    }
  }

  /** What the room sends here, and why not more. @param {Sending | null} sending */
  takeSending(sending) {
    for (const name of PICTURES) {
      this.tiles[name].whyNone = sending && !sending[name] && sending.why !== 'best' ? sending.why : '';
      this.tiles[name].update();
    }
  }

  /** One message of the board as tiles. @param {unknown} data */
  takeTiles(data) {
    if (this.tiles.board.parts) this.tiles.board.parts.take(data);
  }

  /** @param {Sample} sample */
  measure(sample) {
    for (const name of PICTURES)
      if (sample.tracks[name].fps > 0) this.tiles[name].movedAt = performance.now();
  }

  /** Once a second: words that carry a time. @param {boolean} isLost */
  tick(isLost) {
    // A call, or another program's sound, pauses the page on some phones; nobody here ever does.
    if (this.speaker.srcObject && this.speaker.paused && !this.isBlocked) this.play();
    for (const name of PICTURES) {
      if (this.tiles[name].isLost && !isLost) this.tiles[name].movedAt = performance.now();
      this.tiles[name].isLost = isLost;
      this.tiles[name].update();
    }
  }
}

/** Whether anything here can fill the screen, and how. */
export const fullScreen = {
  isPossible() {
    const root = /** @type {any} */ (el('class'));
    return !!(root.requestFullscreen || root.webkitRequestFullscreen || /** @type {any} */ (el('board')).webkitEnterFullscreen);
  },
  isOn() {
    const page = /** @type {any} */ (document);
    return !!(page.fullscreenElement || page.webkitFullscreenElement);
  },
  /** Fill the screen, or leave. */
  toggle() {
    const page = /** @type {any} */ (document);
    const root = /** @type {any} */ (el('class'));
    if (this.isOn()) (page.exitFullscreen || page.webkitExitFullscreen).call(page);
    else if (root.requestFullscreen) root.requestFullscreen().catch(() => undefined);
    else if (root.webkitRequestFullscreen) root.webkitRequestFullscreen();
    else {
      // a phone that lets only a video fill the screen
      const video = /** @type {any} */ (el(el('class').dataset.main || 'board'));
      video.webkitEnterFullscreen();
    }
  },
};
