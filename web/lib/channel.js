// The lesson channel: typed messages between a pupil's page and the room over the data channel `lesson`.

/** @typedef {import('./protocol').Hello} Hello */
/** @typedef {import('./protocol').Reception} Reception */
/** @typedef {import('./protocol').Bye} Bye */
/** @typedef {import('./protocol').Notice} Notice */
/** @typedef {import('./protocol').Ended} Ended */

export const LABEL = 'lesson';

/**
 * Speaks over one data channel, for as long as that lives.
 *
 * Events: `open`; `notice` {Notice}; `ended` {Ended}; `close`. A message of a type that this page does not know is
 * left alone: rooms and pages are updated apart.
 */
export class LessonChannel extends EventTarget {
  /** @param {RTCDataChannel} channel */
  constructor(channel) {
    super();
    this.channel = channel;
    channel.addEventListener('open', () => this.dispatchEvent(new CustomEvent('open')));
    channel.addEventListener('close', () => this.dispatchEvent(new CustomEvent('close')));
    channel.addEventListener('message', (event) => this.receive(event.data));
  }

  /** Say something; false when the channel is not open, and then nothing was said. @param {Hello | Reception | Bye} message */
  send(message) {
    if (this.channel.readyState !== 'open') return false;
    this.channel.send(JSON.stringify(message));
    return true;
  }

  /**
   * @private
   * @param {unknown} data
   */
  receive(data) {
    if (typeof data !== 'string') return;
    let message;
    try {
      message = JSON.parse(data);
    } catch (error) {
      return;
    }
    if (message && (message.type === 'notice' || message.type === 'ended'))
      this.dispatchEvent(new CustomEvent(message.type, { detail: message }));
  }
}
