// Where a pupil's media come from: from the room itself, or from the media server while the room wants that. No DOM.

import { ApiError } from './api.js';
import { Backoff } from './backoff.js';
import { RelayMedia } from './relay.js';
import { LOST_MS } from './whep.js';

/** @typedef {import('./protocol').JoinAnswer} JoinAnswer */
/** @typedef {import('./protocol').PlaysFrom['source']} SourceName */
/** @typedef {import('./whep.js').WhepConnection} WhepConnection */

/**
 * @typedef {object} Parts
 * @property {() => JoinAnswer} ticket what the media server takes
 * @property {() => WhepConnection | null} room the connection to the room, which keeps the lesson channel
 * @property {(media: WhepConnection | RelayMedia, connection: WhepConnection) => void} show has the page play these media
 * @property {(connection: WhepConnection) => void} listen has this connection's sound compared with the room's
 */

export class Source {
  /** @param {Parts} parts */
  constructor(parts) {
    /** @private */
    this.parts = parts;
    /** Whether the room wants its pupils to play from the media server. */
    this.wantsRelay = false;
    /** What is played in place of the room's own. @type {RelayMedia | null} */
    this.relay = null;
    /** Being connected. @private @type {RelayMedia | null} */
    this.next = null;
    /** @private */
    this.backoff = new Backoff(1000, 30000);
  }

  /** Play from where the room wants it. */
  async follow() {
    let room = this.parts.room();
    if (!this.wantsRelay && this.relay && room) {
      await room.nextPacket(LOST_MS);
      room = this.parts.room();
      if (!this.wantsRelay && this.relay && room) this.parts.show(room, room);
    }
    if (!this.wantsRelay) this.leave();
    if (this.relay) this.say('media-server'); // to a room that has us by a new connection
    if (this.relay || this.next) return;
    while (this.wantsRelay && !this.relay) {
      const ticket = this.parts.ticket();
      const relay = (this.next = new RelayMedia());
      try {
        await relay.connect({ url: ticket.whep, token: ticket.token, iceServers: ticket.ice_servers, timeoutMs: 10000 });
      } catch (error) {
        console.info('the media server gives nothing', error instanceof ApiError ? error.code : error);
        relay.close();
        if (this.wantsRelay) this.say('room');
        await this.backoff.wait();
        this.next = null;
        continue;
      }
      this.next = null;
      if (!this.wantsRelay) {
        relay.close();
        return;
      }
      this.relay = relay;
      this.backoff.reset();
      relay.addEventListener('lost', () => this.onLost(relay));
      this.parts.listen(relay.main);
      this.parts.show(relay, relay.main);
      this.say('media-server');
    }
  }

  /** Leave the media server. @param {{keepalive?: boolean}} [how] */
  leave(how) {
    const room = this.parts.room();
    if (this.relay && room && room.transceivers.sound) this.parts.listen(room);
    for (const relay of [this.relay, this.next]) if (relay) relay.close(how);
    this.relay = null;
    this.backoff.hurry();
  }

  /** @private @param {RelayMedia} relay */
  onLost(relay) {
    if (relay !== this.relay) return;
    this.say('room');
    this.leave();
    const room = this.parts.room();
    if (room) this.parts.show(room, room);
    this.backoff.wait().then(() => this.follow());
  }

  /** @private @param {SourceName} source */
  say(source) {
    const room = this.parts.room();
    if (!room) return;
    if (source === 'room') room.rest(false); // it sends again as soon as it hears this
    if (room.channel) room.channel.send({ type: 'plays-from', source });
  }
}
