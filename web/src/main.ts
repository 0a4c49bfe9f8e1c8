/** Starts the page: asks the server first, and has the rest come meanwhile. */

import { fetchAfter } from './lib/ahead';
import { askEarly } from './lib/early';
import { channelOf } from './lib/route';

askEarly(channelOf(location.pathname));
fetchAfter();
void import('./app');
