/** Shows the page. */

import { mount } from 'svelte';

import './app.css';
import App from './App.svelte';
import { untilAsked } from './lib/early';
import { hlsModule } from './lib/player/player.svelte';
import { measureRegions } from './lib/region';

async function start(): Promise<void> {
  // hls.js is the largest part of the page: it travels while the page asks how the show stands.
  void hlsModule();
  measureRegions();
  await untilAsked();
  const target = document.getElementById('app');
  if (target === null) return;
  target.replaceChildren();
  mount(App, { target });
}

// Not while the script itself is run: what has been answered meanwhile goes on first, and a browser that notes who asked for what would have to
// read all of it a second time.
setTimeout(() => void start());
