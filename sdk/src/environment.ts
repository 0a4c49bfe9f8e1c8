/**
 * What the SDK has of the world: a clock, chance, timers, the network's and the page's state. Apps leave it alone; tests and
 * unusual platforms (React Native) give their own.
 */

/** What may change around a connection. */
export type Surrounding = 'online' | 'offline' | 'visible' | 'hidden';

export interface Environment {
  /** Unix ms. */
  now(): number;
  /** In [0, 1). */
  random(): number;
  /** Calls back once, after so many ms; returns what takes it back. */
  after(ms: number, callback: () => void): () => void;
  online(): boolean;
  visible(): boolean;
  /** Hears of every change; returns what ends it. */
  watch(listener: (change: Surrounding) => void): () => void;
  fetch: typeof globalThis.fetch;
}

/** The browser's, and what Node has of it. */
export function systemEnvironment(): Environment {
  return {
    now: () => Date.now(),
    random: () => Math.random(),
    after: (ms, callback) => {
      const timer = setTimeout(callback, ms);
      return () => clearTimeout(timer);
    },
    online: () => typeof navigator === 'undefined' || navigator.onLine !== false,
    visible: () => typeof document === 'undefined' || document.visibilityState !== 'hidden',
    watch: watchBrowser,
    fetch: (...args) => globalThis.fetch(...args),
  };
}

function watchBrowser(listener: (change: Surrounding) => void): () => void {
  // Node has neither, and no network events.
  if (typeof window === 'undefined' || typeof document === 'undefined') return () => {};
  const ends = new AbortController();
  const { signal } = ends;
  window.addEventListener('online', () => listener('online'), { signal });
  window.addEventListener('offline', () => listener('offline'), { signal });
  document.addEventListener('visibilitychange', () => listener(document.visibilityState === 'hidden' ? 'hidden' : 'visible'), { signal });
  return () => ends.abort();
}

/** 128 random bits; `crypto.randomUUID` would need a secure context, and a phone on the same network has none. */
export function newId(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
}
