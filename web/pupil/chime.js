// Three notes to try the sound with: made here, played by a plain audio element, without WebAudio.

const RATE_HZ = 16000;
const NOTES_HZ = [523.25, 659.25, 783.99];
const NOTE_S = 0.32;

/** @type {string | null} */
let address = null;

/** Play the three notes; resolves when they are over, rejects when the browser refuses. */
export async function playChime() {
  if (!address) address = URL.createObjectURL(new Blob([wave()], { type: 'audio/wav' }));
  const audio = new Audio(address);
  const over = new Promise((resolve) => audio.addEventListener('ended', resolve));
  await audio.play();
  await over;
}

/** A WAV file: 16-bit mono PCM. */
function wave() {
  const perNote = Math.round(RATE_HZ * NOTE_S);
  const count = perNote * NOTES_HZ.length;
  const view = new DataView(new ArrayBuffer(44 + count * 2));
  const text = (/** @type {number} */ at, /** @type {string} */ letters) => {
    for (let i = 0; i < letters.length; i++) view.setUint8(at + i, letters.charCodeAt(i));
  };
  text(0, 'RIFF');
  view.setUint32(4, 36 + count * 2, true);
  text(8, 'WAVEfmt ');
  view.setUint32(16, 16, true);
  view.setUint16(20, 1, true);
  view.setUint16(22, 1, true);
  view.setUint32(24, RATE_HZ, true);
  view.setUint32(28, RATE_HZ * 2, true);
  view.setUint16(32, 2, true);
  view.setUint16(34, 16, true);
  text(36, 'data');
  view.setUint32(40, count * 2, true);
  for (let i = 0; i < count; i++) {
    const t = (i % perNote) / RATE_HZ;
    const note = NOTES_HZ[Math.floor(i / perNote)];
    const envelope = Math.min(1, t / 0.015) * Math.exp(-t * 7);
    view.setInt16(44 + i * 2, Math.round(11000 * envelope * Math.sin(2 * Math.PI * note * t)), true);
  }
  return view.buffer;
}
