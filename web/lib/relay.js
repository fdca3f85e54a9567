// Sound and pictures from the media server, when the room's line cannot hold every pupil: asked for at the same address,
// in two connections, for each may have one picture. The connection to the room stays beside them, for the lesson channel.

import { WhepConnection } from './whep.js';

/** @typedef {import('./whep.js').Track} Track */
/** @typedef {import('./meter.js').Sample} Sample */

/** @type {Record<string, Track[]>} */
const STREAMS = { lesson: ['sound', 'camera'], board: ['board'] };

/**
 * Both connections, as one. Single use.
 *
 * Event: `lost`, once, when either gives nothing any more.
 */
export class RelayMedia extends EventTarget {
  constructor() {
    super();
    /** @type {Record<string, WhepConnection>} */
    this.connections = {};
    /** @private */
    this.isOver = false;
    for (const stream of Object.keys(STREAMS)) this.connections[stream] = this.make(STREAMS[stream]);
  }

  /** @private @param {Track[]} tracks */
  make(tracks) {
    const connection = new WhepConnection({ tracks, hasChannel: false });
    connection.addEventListener('lost', () => this.lose());
    return connection;
  }

  /** What both send. */
  get tracks() {
    return Object.assign({}, this.connections.lesson.tracks, this.connections.board.tracks);
  }

  /** The connection that has the sound. */
  get main() {
    return this.connections.lesson;
  }

  /**
   * @param {{url: string, token: string, iceServers: import('./whep.js').IceServer[], timeoutMs: number}} to
   * @returns {Promise<void>} when both receive. Rejects with ApiError.
   */
  async connect(to) {
    await Promise.all(
      Object.keys(this.connections).map(async (stream) => {
        const connection = this.connections[stream];
        const received = new Promise((resolve, reject) => {
          connection.addEventListener('media', resolve);
          connection.addEventListener('lost', () => reject(new Error('lost')));
          connection.addEventListener('closed', () => reject(new Error('closed')));
        });
        received.catch(() => undefined); // an earlier failure may be the one that is told
        await connection.connect(Object.assign({}, to, { url: to.url + '?stream=' + stream }));
        await received;
      }),
    );
  }

  /** What arrived since the last call, on both. @returns {Promise<Sample>} */
  async sample() {
    const [lesson, board] = await Promise.all([this.connections.lesson.sample(), this.connections.board.sample()]);
    return Object.assign({}, lesson, {
      tracks: Object.assign({}, lesson.tracks, { board: board.tracks.board }),
      lossPercent: Math.max(lesson.lossPercent, board.lossPercent),
      kbps: lesson.kbps + board.kbps,
      bytes: lesson.bytes + board.bytes,
    });
  }

  /** Close both and tell the other side. @param {{keepalive?: boolean}} [how] */
  close(how) {
    this.isOver = true;
    for (const stream of Object.keys(this.connections)) this.connections[stream].close(how);
  }

  /** @private */
  lose() {
    if (this.isOver) return;
    this.isOver = true;
    this.dispatchEvent(new CustomEvent('lost'));
  }
}
