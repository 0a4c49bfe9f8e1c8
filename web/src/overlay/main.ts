/** Starts the overlay. */

import { mount } from 'svelte';

import '../app.css';
import './overlay.css';
import { language, showLanguage } from '../lib/i18n/current.svelte';
import Overlay from './Overlay.svelte';
import { overlayChannel, overlayOptions } from './options';

const options = overlayOptions(location.search);
if (options.lang !== null) showLanguage(options.lang);
document.documentElement.lang = language();

const target = document.getElementById('overlay');
if (target !== null) mount(Overlay, { target, props: { channel: overlayChannel(location.pathname), options } });
