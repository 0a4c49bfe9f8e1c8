/** How an element looks, as a reactive value: what its page wants, and what the system has. */

import type { Theme } from './attributes';

export class Look {
  theme = $state<Theme>('dark');
  readonly #system = window.matchMedia('(prefers-color-scheme: light)');
  #systemIsLight = $state(this.#system.matches);
  readonly #onChange = () => {
    this.#systemIsLight = this.#system.matches;
  };

  constructor() {
    this.#system.addEventListener('change', this.#onChange);
  }

  get isLight(): boolean {
    return this.theme === 'light' || (this.theme === 'auto' && this.#systemIsLight);
  }

  close(): void {
    this.#system.removeEventListener('change', this.#onChange);
  }
}
