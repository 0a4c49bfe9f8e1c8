/** The page in a frame, `/embed/{channel}`: one element that fills it, as its signed address says. */

import { tagOf } from './attributes';
import './fanwave';

const asked = new URLSearchParams(location.search);
const element = document.createElement(tagOf(asked.get('show')));
element.setAttribute('channel', decodeURIComponent(location.pathname.split('/')[2] ?? ''));
for (const name of ['lang', 'theme']) {
  const value = asked.get(name);
  if (value !== null) element.setAttribute(name, value);
}
element.addEventListener('state', (event) => {
  const { channel } = (event as CustomEvent<{ channel: string | null }>).detail;
  if (channel !== null) document.title = `${channel} · Fanwave`;
});
document.documentElement.lang = element.lang || 'en';
document.body.append(element);
