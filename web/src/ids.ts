const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';

export function newNonce(length = 22): string {
  const bytes = crypto.getRandomValues(new Uint8Array(length));
  // 64 characters: masking six bits is uniform.
  return Array.from(bytes, (byte) => ALPHABET[byte & 63]).join('');
}

/** RFC 9562, 5.4. `crypto.randomUUID` is missing on pages that are not https. */
export function newUuid(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  const hex = Array.from(bytes, (byte, at) => {
    const value = at === 6 ? (byte & 0x0f) | 0x40 : at === 8 ? (byte & 0x3f) | 0x80 : byte;
    return value.toString(16).padStart(2, '0');
  }).join('');
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-');
}
