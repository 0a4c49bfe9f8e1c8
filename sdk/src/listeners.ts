/** Who wants to hear of what. A listener that throws is heard of by whoever watches uncaught errors, and by nobody else. */

export class Listeners<Events extends { [Name in keyof Events]: unknown[] }> {
  readonly #listeners = new Map<keyof Events, Set<unknown>>();

  /** Calls back at every such event; returns what ends it. */
  on<Name extends keyof Events>(name: Name, listener: (...args: Events[Name]) => void): () => void {
    const all = this.#listeners.get(name) ?? new Set();
    this.#listeners.set(name, all);
    all.add(listener);
    return () => all.delete(listener);
  }

  emit<Name extends keyof Events>(name: Name, ...args: Events[Name]): void {
    for (const listener of [...(this.#listeners.get(name) ?? [])]) {
      try {
        (listener as (...args: Events[Name]) => void)(...args);
      } catch (error) {
        // Thrown where it is nobody's turn: what the app does wrong must not stop the chat.
        queueMicrotask(() => {
          throw error;
        });
      }
    }
  }
}
