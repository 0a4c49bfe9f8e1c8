/** The elements of Fanwave as components, with types. Copy this file. */

import { type DetailedHTMLProps, type HTMLAttributes, type ReactNode, useCallback, useEffect, useRef, useState } from "react";

/** For the first time, the picture moves, or the chat is connected. */
export interface Ready {
  readonly part: "picture" | "chat";
}

/** Something said is to be seen now. `text` is plain text. */
export interface Message {
  readonly lane: "chat" | "room" | "staff";
  readonly id: string;
  readonly user: string;
  readonly name: string;
  readonly role: "fan" | "member" | "moderator" | "artist" | "staff";
  readonly text: string;
  /** Milliseconds since 1970. */
  readonly at: number;
}

/** How it stands has changed. */
export interface Standing {
  readonly channel: string | null;
  readonly live: boolean;
  readonly missing: boolean;
  readonly picture: "loading" | "offline" | "playing" | "buffering" | "reconnecting" | "ended" | null;
  readonly chat: "connecting" | "connected" | "reconnecting" | "refused" | "paused" | null;
}

/** Why a token is asked for. */
export type TokenReason = "first" | "expired" | "refused";

export interface FanwaveProps {
  /** Address of the server, `https://live.example`. */
  readonly server: string;
  /** The server's first channel, if it is left out. */
  readonly channel?: string;
  readonly lang?: "ko" | "en" | "ja" | "es" | "th";
  readonly theme?: "dark" | "light" | "auto";
  /** Brings a token for who has logged in to the app; a fan is a guest without it. */
  readonly token?: (reason: TokenReason) => Promise<string>;
  readonly className?: string;
  readonly onReady?: (ready: Ready) => void;
  readonly onMessage?: (message: Message) => void;
  readonly onState?: (standing: Standing) => void;
  /** What is to go into a slot: `<img slot="over">`. */
  readonly children?: ReactNode;
}

type Tag = "fanwave-show" | "fanwave-player" | "fanwave-chat";

interface ElementProps extends DetailedHTMLProps<HTMLAttributes<HTMLElement>, HTMLElement> {
  server?: string;
  channel?: string | undefined;
  theme?: string | undefined;
  token?: ((reason: TokenReason) => Promise<string>) | undefined;
  onready?: (event: CustomEvent<Ready>) => void;
  onmessage?: (event: CustomEvent<Message>) => void;
  onstate?: (event: CustomEvent<Standing>) => void;
}

declare module "react" {
  namespace JSX {
    interface IntrinsicElements extends Record<Tag, ElementProps> {}
  }
}

/** Loads the elements of a server, once; false until they are there. */
function useElements(server: string): boolean {
  const [loaded, setLoaded] = useState(false);
  useEffect(() => {
    let wanted = true;
    const address = new URL("/embed/fanwave.js", server).href;
    import(/* @vite-ignore */ address).then(
      () => wanted && setLoaded(true),
      (error: unknown) => console.error(`fanwave: no elements from ${server}`, error),
    );
    return () => {
      wanted = false;
    };
  }, [server]);
  return loaded;
}

function Fanwave({ tag: Element, server, channel, lang, theme, token, className, onReady, onMessage, onState, children }: FanwaveProps & { tag: Tag }) {
  const loaded = useElements(server);
  // Another function would be another fan to the element; which one is asked may change at every rendering.
  const bring = useRef(token);
  useEffect(() => {
    bring.current = token;
  });
  const stable = useCallback(async (reason: TokenReason) => {
    if (bring.current === undefined) throw new Error("there is nobody to bring a token");
    return bring.current(reason);
  }, []);
  if (!loaded) return null;
  return (
    <Element
      server={server}
      channel={channel}
      lang={lang}
      theme={theme}
      token={token === undefined ? undefined : stable}
      className={className}
      onready={(event) => onReady?.(event.detail)}
      onmessage={(event) => onMessage?.(event.detail)}
      onstate={(event) => onState?.(event.detail)}
    >
      {children}
    </Element>
  );
}

/** Picture and chat. */
export const FanwaveShow = (props: FanwaveProps) => <Fanwave tag="fanwave-show" {...props} />;

/** The picture. */
export const FanwavePlayer = (props: FanwaveProps) => <Fanwave tag="fanwave-player" {...props} />;

/** The chat; it keeps to the picture of a `FanwavePlayer` of the same channel. */
export const FanwaveChat = (props: FanwaveProps) => <Fanwave tag="fanwave-chat" {...props} />;
