/** Has hls.js fetched as soon as the rest of the page is there, read or not: until then the network belongs to that. */

/** The links are made by `vite.config.ts`; where there are none (in development), everything is fetched when it is imported. */
export function fetchAfter(): void {
  const needed = [...document.querySelectorAll<HTMLLinkElement>('link[rel=modulepreload]')];
  const isThere = ({ href }: HTMLLinkElement) => performance.getEntriesByName(href).length > 0;
  const missing = new Set(needed.filter((link) => !isThere(link)));
  const fetchRest = () => {
    for (const link of document.querySelectorAll<HTMLLinkElement>('link[rel=after]')) link.rel = 'modulepreload';
  };
  if (missing.size === 0) fetchRest();
  for (const link of missing) {
    const done = () => {
      missing.delete(link);
      if (missing.size === 0) fetchRest();
    };
    link.addEventListener('load', done, { once: true });
    link.addEventListener('error', done, { once: true });
  }
}
