// The lesson channel: typed messages between a pupil's page and the room over the data channel `lesson`.

/** @typedef {import('./protocol').Hello} Hello */
/** @typedef {import('./protocol').Reception} Reception */
/** @typedef {import('./protocol').Hand} Hand */
/** @typedef {import('./protocol').Question} Question */
/** @typedef {import('./protocol').Reaction} Reaction */
/** @typedef {import('./protocol').CannotHear} CannotHear */
/** @typedef {import('./protocol').CanHear} CanHear */
/** @typedef {import('./protocol').PlaysFrom} PlaysFrom */
/** @typedef {import('./protocol').Bye} Bye */
/** @typedef {import('./protocol').Wish} Wish */
/** What a page says. @typedef {Hello | Reception | Wish | Hand | Question | Reaction | CannotHear | CanHear | PlaysFrom | Bye} Said */

export const LABEL = 'lesson';
/** What the room says: each is an event with the message as its detail. */
export const FROM_ROOM = ['notice', 'you', 'sending', 'talk', 'question-state', 'caption', 'play-from', 'ended'];

/**
 * Speaks over one data channel, for as long as that lives.
 *
 * Events: `open`; `close`; each of `FROM_ROOM`. A message of a type that this page does not know is
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

  /** Say something; false when the channel is not open, and then nothing was said. @param {Said} message */
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
    if (message && FROM_ROOM.indexOf(message.type) >= 0)
      this.dispatchEvent(new CustomEvent(message.type, { detail: message }));
  }
}
