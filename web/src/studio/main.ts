/** Puts the studio on the page. */

import { mount } from 'svelte';

import '../app.css';
import './studio.css';
import Studio from './Studio.svelte';

const target = document.getElementById('studio');
if (target === null) throw new Error('studio.html has no #studio');

export default mount(Studio, { target });
