/** "João Silva" is the user "joao.silva": the same person on another day, however it is typed. */
export function userOf(name: string): string {
  const plain = name
    .trim()
    .normalize('NFD')
    .replace(/\p{M}/gu, '')
    .toLowerCase()
    .replace(/[^a-z0-9@._-]+/g, '.')
    .replace(/^\.+|\.+$/g, '');
  // A name without any Latin letter is still a name.
  return plain || encodeURIComponent(name).replace(/%/g, '').toLowerCase().slice(0, 60);
}
