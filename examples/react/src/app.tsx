import { useEffect, useState } from "react";

import { FanwaveChat, FanwavePlayer, type Message, type Standing } from "./fanwave";

interface Config {
  readonly fanwave: string;
  readonly user: string;
}

async function chatToken(): Promise<string> {
  const answer = await fetch("/chat-token", { method: "POST" });
  if (!answer.ok) throw new Error(`no token: ${answer.status}`);
  return ((await answer.json()) as { token: string }).token;
}

export function App() {
  const [config, setConfig] = useState<Config | null>(null);
  const [standing, setStanding] = useState<Standing | null>(null);
  const [last, setLast] = useState<Message | null>(null);
  const [chatShown, setChatShown] = useState(true);

  useEffect(() => {
    const ends = new AbortController();
    fetch("/config.json", { signal: ends.signal })
      .then((answer) => answer.json())
      .then(setConfig, (error: unknown) => ends.signal.aborted || console.error(error));
    return () => ends.abort();
  }, []);

  if (config === null) return <p role="status">One moment</p>;
  return (
    <main>
      <header>
        <h1>Polaris Club</h1>
        <p>
          <span role="status">{standing?.live ? "On air" : "Off air"}</span>, signed in as {config.user}
        </p>
        <button type="button" onClick={() => setChatShown(!chatShown)}>
          {chatShown ? "Without chat" : "With chat"}
        </button>
      </header>
      <div className="stage">
        <FanwavePlayer server={config.fanwave} channel="demo" lang="en" onState={setStanding} />
        {chatShown && (
          <FanwaveChat server={config.fanwave} channel="demo" lang="en" theme="light" token={chatToken} onMessage={setLast} />
        )}
      </div>
      <p className="last">{last === null ? "Nothing said yet" : `${last.name}: ${last.text}`}</p>
    </main>
  );
}
