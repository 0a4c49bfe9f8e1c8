/**
 * The elements for other pages: `<fanwave-show>`, `<fanwave-player>` and `<fanwave-chat>`, as one module.
 *
 * They run under the strictest policy that a page may have: their style sheet is constructed, not written into the page, and
 * nothing is evaluated. What is set as `token` is kept in memory alone, and never in an attribute.
 */

import { mount, unmount } from 'svelte';
import type { TokenReason } from '@fanwave/client';

import '../app.css';
import './embed.css';
import { serverAt } from '../lib/api';
import { showLanguage } from '../lib/i18n/current.svelte';
import { hlsModule } from '../lib/player/player.svelte';
import { type Kind, TAGS, languageOf, serverOf, themeOf } from './attributes';
import type { FanwaveEvents } from './events';
import { Look } from './look.svelte';
import Widget from './Widget.svelte';

/** A token, or what brings one whenever one is needed: the first time, when it expires, when it is refused. */
export type Token = string | ((reason: TokenReason) => string | Promise<string>);

/** The build puts the style sheet here (vite.embed.config.ts). */
const CSS = '__FANWAVE_CSS__';

let sheet: CSSStyleSheet | undefined;

function styles(): CSSStyleSheet {
  if (sheet === undefined) {
    sheet = new CSSStyleSheet();
    sheet.replaceSync(CSS);
  }
  return sheet;
}

/** A server that renders pages has no elements; it may load the module all the same. */
const Base = globalThis.HTMLElement ?? (class {} as typeof HTMLElement);

/** What runs in an element, and what it was started for. */
interface Running {
  readonly server: string;
  readonly channel: string | null;
  readonly token: Token | null;
  readonly stop: () => void;
}

export abstract class FanwaveElement extends Base {
  static readonly observedAttributes = ['server', 'channel', 'lang', 'theme', 'token'];

  abstract readonly kind: Kind;
  readonly #shadow: ShadowRoot;
  #look: Look | undefined;
  #token: Token | null = null;
  #running: Running | null = null;
  #due = false;

  constructor() {
    super();
    this.#shadow = this.attachShadow({ mode: 'open' });
    this.#shadow.adoptedStyleSheets = [styles()];
  }

  /** Address of the server, `https://live.example`; the one that the module is from, if it is not said. */
  get server(): string {
    return this.getAttribute('server') ?? '';
  }

  set server(value: string) {
    this.#say('server', value);
  }

  /** Id of the channel; the server's first, if it is not said. */
  get channel(): string {
    return this.getAttribute('channel') ?? '';
  }

  set channel(value: string) {
    this.#say('channel', value);
  }

  /** `dark`, `light`, or `auto`: as the system has it. */
  get theme(): string {
    return themeOf(this.getAttribute('theme'));
  }

  set theme(value: string) {
    this.#say('theme', value);
  }

  /** Who the fan is to the page that the element is on; null: a guest. Cannot be read. */
  set token(value: Token | null | undefined) {
    this.#token = value === '' ? null : (value ?? null);
    this.#changed();
  }

  connectedCallback(): void {
    // What a framework has set before the module was there stands in the way of the accessors.
    for (const name of ['server', 'channel', 'theme', 'token'] as const) {
      if (!Object.hasOwn(this, name)) continue;
      const value = (this as Record<string, unknown>)[name];
      delete (this as Record<string, unknown>)[name];
      (this as Record<string, unknown>)[name] = value;
    }
    this.#changed();
  }

  disconnectedCallback(): void {
    this.#changed();
  }

  attributeChangedCallback(name: string, _: string | null, value: string | null): void {
    if (name === 'token') {
      // A secret does not stay where every script and every copy of the page has it.
      if (value === null) return;
      this.removeAttribute('token');
      this.token = value;
    } else {
      this.#changed();
    }
  }

  #say(name: string, value: string | null | undefined): void {
    if (value === null || value === undefined || value === '') this.removeAttribute(name);
    else this.setAttribute(name, value);
  }

  /** Several changes at once, and an element that is moved, are one change. */
  #changed(): void {
    if (this.#due) return;
    this.#due = true;
    queueMicrotask(() => {
      this.#due = false;
      this.#apply();
    });
  }

  #apply(): void {
    if (!this.isConnected) {
      this.#stop();
      return;
    }
    const language = languageOf(this.getAttribute('lang'));
    if (language !== null) showLanguage(language);
    if (this.#look !== undefined) this.#look.theme = themeOf(this.getAttribute('theme'));
    const server = serverOf(this.server, import.meta.url, document.baseURI);
    const channel = this.channel === '' ? null : this.channel;
    const token = this.#token;
    const running = this.#running;
    if (running?.server === server && running.channel === channel && running.token === token) return;
    this.#stop();
    if (server === null) {
      console.error(`fanwave: server="${this.server}" is not the address of a server, like https://live.example`);
      return;
    }
    this.#running = { server, channel, token, stop: this.#start(server, channel, token) };
  }

  #start(server: string, channel: string | null, token: Token | null): () => void {
    if (this.kind !== 'chat') void hlsModule();
    const look = new Look();
    look.theme = themeOf(this.getAttribute('theme'));
    this.#look = look;
    const props = {
      kind: this.kind,
      api: serverAt(server),
      channel,
      token: token === null ? null : async (reason: TokenReason) => (typeof token === 'string' ? token : token(reason)),
      look,
      tell: <Type extends keyof FanwaveEvents>(type: Type, detail: FanwaveEvents[Type]) =>
        void this.dispatchEvent(new CustomEvent(type, { detail })),
    };
    const widget = mount(Widget, { target: this.#shadow, props });
    return () => {
      void unmount(widget);
      look.close();
    };
  }

  #stop(): void {
    this.#running?.stop();
    this.#running = null;
    this.#look = undefined;
  }
}

export class FanwaveShow extends FanwaveElement {
  readonly kind = TAGS['fanwave-show'];
}

export class FanwavePlayer extends FanwaveElement {
  readonly kind = TAGS['fanwave-player'];
}

export class FanwaveChat extends FanwaveElement {
  readonly kind = TAGS['fanwave-chat'];
}

export type { FanwaveEvents } from './events';

const ELEMENTS = { 'fanwave-show': FanwaveShow, 'fanwave-player': FanwavePlayer, 'fanwave-chat': FanwaveChat };
for (const [tag, element] of Object.entries(ELEMENTS)) {
  // The module may be there twice: from a package, and from a server.
  if (globalThis.customElements?.get(tag) === undefined) globalThis.customElements?.define(tag, element);
}
