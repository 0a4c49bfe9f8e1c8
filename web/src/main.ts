/** Starts the page: asks the server first, and has the rest come meanwhile. */

import { fetchAfter } from './lib/ahead';
import { askEarly } from './lib/early';
import { channelOf } from './lib/route';

const { there, isThere } = fetchAfter();
askEarly(channelOf(location.pathname), there, isThere);
void import('./app');
