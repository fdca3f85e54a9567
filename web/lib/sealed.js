// A sealed file from the centre, opened piece by piece with the key of its link; the form is protocol/shared_file.py.

import { ApiError } from './api.js';

const MAGIC = 'ESTSHR1\n';
const PIECE_BYTES = 262144;
const TAG_BYTES = 16;

/** @param {string} text base64url @returns {Uint8Array<ArrayBuffer>} */
function bytesOf(text) {
  const raw = atob(text.replace(/-/g, '+').replace(/_/g, '/'));
  const bytes = new Uint8Array(raw.length);
  for (let i = 0; i < raw.length; i++) bytes[i] = raw.charCodeAt(i);
  return bytes;
}

/** The key of a link, for opening alone. Rejects for what is no key. @param {string} text @returns {Promise<CryptoKey>} */
export async function keyOf(text) {
  const bytes = bytesOf(text);
  if (bytes.length !== 32) throw new Error('a key has 32 bytes');
  return crypto.subtle.importKey('raw', bytes, 'AES-GCM', false, ['decrypt']);
}

/** @param {CryptoKey} key @param {number} number @param {Uint8Array<ArrayBuffer>} sealed @param {boolean} isLast @returns {Promise<ArrayBuffer>} */
function opened(key, number, sealed, isLast) {
  const iv = new Uint8Array(12);
  new DataView(iv.buffer).setUint32(8, number);
  return crypto.subtle.decrypt({ name: 'AES-GCM', iv, additionalData: new Uint8Array([isLast ? 1 : 0]) }, key, sealed);
}

/** @param {ReadableStreamDefaultReader<Uint8Array>} reader */
function next(reader) {
  return reader.read().catch((error) => {
    throw new ApiError('network', 'the line was cut: ' + error);
  });
}

/**
 * The whole file as a Blob, which a browser keeps on its disk when it is large. Rejects when anything was changed, is
 * missing, or was sealed with another key; with ApiError `network` when the line was cut.
 *
 * @param {ReadableStream<Uint8Array>} body
 * @param {number} size of the sealed file
 * @param {CryptoKey} key
 * @param {(share: number) => void} onProgress
 * @returns {Promise<Blob>}
 */
export async function openSealed(body, size, key, onProgress) {
  const reader = body.getReader();
  /** @type {Blob[]} */
  const parts = [];
  const piece = new Uint8Array(PIECE_BYTES + TAG_BYTES);
  let filled = 0;
  let got = 0;
  let number = 0;
  let before = '';
  for (;;) {
    const { value, done } = await next(reader);
    if (done) break;
    let at = 0;
    for (; before.length < MAGIC.length && at < value.length; at++) before += String.fromCharCode(value[at]);
    if (!MAGIC.startsWith(before)) throw new Error('this is no sealed file');
    while (at < value.length) {
      const take = Math.min(piece.length - filled, value.length - at);
      piece.set(value.subarray(at, at + take), filled);
      filled += take;
      at += take;
      if (filled === piece.length) {
        parts.push(new Blob([await opened(key, number, piece, false)]));
        number += 1;
        filled = 0;
      }
    }
    got += value.length;
    onProgress(got / size);
  }
  parts.push(new Blob([await opened(key, number, piece.slice(0, filled), true)]));
  return new Blob(parts, { type: 'video/mp4' });
}
