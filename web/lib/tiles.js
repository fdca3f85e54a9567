// One message of the data channel `tiles`: a part of the board, its beginning, or its end (docs/protocol.md).

export const LABEL = 'tiles';
export const BEGIN = 0;
export const PART = 1;
export const END = 2;

const VERSION = 1;
const HEADER_BYTES = 32;
const MAX_SIDE_PX = 4096;

/**
 * @typedef {object} TileMessage
 * @property {number} kind
 * @property {number} scene
 * @property {number} number
 * @property {number} behindMs
 * @property {number} boardWidth
 * @property {number} boardHeight
 * @property {number} x
 * @property {number} y
 * @property {number} width
 * @property {number} height
 * @property {Uint8Array<ArrayBuffer>} picture
 */

/** What the bytes say; null for what is no message of this version. @param {unknown} data @returns {TileMessage | null} */
export function readTile(data) {
  if (!(data instanceof ArrayBuffer) || data.byteLength < HEADER_BYTES) return null;
  const view = new DataView(data);
  const message = {
    kind: view.getUint8(1),
    scene: view.getUint32(4),
    number: view.getUint32(8),
    behindMs: view.getUint32(16),
    boardWidth: view.getUint16(20),
    boardHeight: view.getUint16(22),
    x: view.getUint16(24),
    y: view.getUint16(26),
    width: view.getUint16(28),
    height: view.getUint16(30),
    picture: new Uint8Array(data, HEADER_BYTES),
  };
  if (view.getUint8(0) !== VERSION || message.kind > END) return null;
  if (!isSide(message.boardWidth) || !isSide(message.boardHeight)) return null;
  if (message.kind !== PART) return message;
  const fits = message.x + message.width <= message.boardWidth && message.y + message.height <= message.boardHeight;
  return fits && message.width > 0 && message.height > 0 && message.picture.length > 0 ? message : null;
}

/** @param {number} pixels */
function isSide(pixels) {
  return pixels > 0 && pixels <= MAX_SIDE_PX;
}
