const FORGET_MS = 60_000;

/** Hands a file to the person, as if they had followed a link to it. */
export function save(file: Blob, name: string): void {
  const url = URL.createObjectURL(file);
  const link = document.createElement('a');
  link.href = url;
  link.download = name;
  link.click();
  // The browser may still be reading it.
  setTimeout(() => URL.revokeObjectURL(url), FORGET_MS);
}
