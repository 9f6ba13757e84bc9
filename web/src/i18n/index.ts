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

const languages = (): readonly string[] => globalThis.navigator?.languages ?? [];

/** For whoever reads another language as their first: dates and hours as most of the world has them. */
const VARIANT: Record<Language, string> = { pt: 'pt-PT', en: 'en-GB' };

const chosen = chooseLanguage(languages());

export const language = (): Language => chosen;

/** The tag to format dates with: the person's own variant when it is of the chosen language. */
export function locale(): string {
  return languages().find((tag) => tag.toLowerCase().startsWith(chosen)) ?? VARIANT[chosen];
}

export function t(key: Key, values: Record<string, string | number> = {}): string {
  return catalogue[chosen][key].replace(/\{(\w+)\}/g, (_, name: string) =>
    String(values[name] ?? ''),
  );
}
