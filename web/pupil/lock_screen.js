// What a phone shows of the class on its lock screen, and what its buttons there do: the sound goes on behind it.

/** @typedef {{title: string, isMuted: () => boolean, setMuted: (isMuted: boolean) => void}} Playing */

/** @returns {any} undefined where the browser knows nothing of it */
const mediaSession = () => /** @type {any} */ (navigator).mediaSession;

/** The class plays. @param {Playing} playing */
export function showOnLockScreen({ title, isMuted, setMuted }) {
  const session = mediaSession();
  if (!session) return;
  const Metadata = /** @type {any} */ (window).MediaMetadata;
  session.metadata = Metadata ? new Metadata({ title, artist: 'Estrade' }) : null;
  const tell = () => (session.playbackState = isMuted() ? 'paused' : 'playing');
  const set = (/** @type {boolean} */ is) => () => {
    setMuted(is);
    tell();
  };
  for (const [action, handler] of /** @type {[string, () => void][]} */ ([
    ['play', set(false)],
    ['pause', set(true)],
    ['stop', set(true)],
  ])) {
    try {
      session.setActionHandler(action, handler);
    } catch (error) {
      // a browser that does not know this button
    }
  }
  tell();
}

/** The class does not play any more. */
export function leaveLockScreen() {
  const session = mediaSession();
  if (!session) return;
  session.metadata = null;
  session.playbackState = 'none';
}
