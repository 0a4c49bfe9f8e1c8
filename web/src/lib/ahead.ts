/** Has hls.js fetched as soon as the rest of the page is there, read or not: until then the network belongs to that. */

/** What of the page is still to come. */
export interface Ahead {
  /** Resolves once what the chat needs is there. */
  readonly there: Promise<void>;
  readonly isThere: () => boolean;
}

/** The links are made by `vite.watch.config.ts`; where there are none (in development), everything is fetched when it is imported. */
export function fetchAfter(): Ahead {
  const needed = [...document.querySelectorAll<HTMLLinkElement>('link[rel=modulepreload]')];
  const isLoaded = ({ href }: HTMLLinkElement) => performance.getEntriesByName(href).length > 0;
  const missing = needed.filter((link) => !isLoaded(link));
  const there = Promise.all(missing.map(settled)).then(() => {
    for (const link of document.querySelectorAll<HTMLLinkElement>('link[rel=after]')) link.rel = 'modulepreload';
  });
  return { there, isThere: () => needed.every(isLoaded) };
}

/** What could not be fetched is not waited for. */
function settled(link: HTMLLinkElement): Promise<void> {
  return new Promise((resolve) => {
    for (const type of ['load', 'error']) link.addEventListener(type, () => resolve(), { once: true });
  });
}
