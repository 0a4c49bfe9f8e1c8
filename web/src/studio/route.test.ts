import { describe, expect, test } from 'vitest';

import { SECTIONS, channelIn, sectionIn, studioPath } from './route';

describe('the address', () => {
  test('names a channel, or none', () => {
    expect(channelIn('/studio/demo')).toBe('demo');
    expect(channelIn('/studio/demo/')).toBe('demo');
    expect(channelIn('/studio')).toBeNull();
    expect(channelIn('/studio/a/b')).toBeNull();
    expect(channelIn('/studio/<x>')).toBeNull();
    expect(channelIn(studioPath('stage-2'))).toBe('stage-2');
  });

  test('leads only to sections that are open', () => {
    expect(sectionIn('#show', SECTIONS)).toBe('show');
    expect(sectionIn('#show', ['chat'])).toBe('chat');
    expect(sectionIn('#nonsense', SECTIONS)).toBe('chat');
    expect(sectionIn('', [])).toBeNull();
  });
});
