import { catalogue, type Key, type Language } from './catalogue';

export type { Key, Language } from './catalogue';

/** The first of the person's languages that we speak; English for everybody else. */
export function chooseLanguage(preferred: readonly string[]): Language {
  for (const tag of preferred) {
    const base = tag.toLowerCase().split('-')[0];
    if (base === 'pt' || base === 'en') return base;
  }
  return 'en';
}

const chosen = chooseLanguage(globalThis.navigator?.languages ?? []);

export const language = (): Language => chosen;

/** The tag to format dates with: the person's own variant when it is of the chosen language. */
export function locale(): string {
  return navigator.languages.find((tag) => tag.toLowerCase().startsWith(chosen)) ?? chosen;
}

export function t(key: Key, values: Record<string, string | number> = {}): string {
  return catalogue[chosen][key].replace(/\{(\w+)\}/g, (_, name: string) =>
    String(values[name] ?? ''),
  );
}
