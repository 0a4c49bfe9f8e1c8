import type { Poll } from '@fanwave/client';
import { expect, test } from 'vitest';

import { VOTES_KEPT_MAX } from '../limits';
import { isOpenPoll, parseVotes, percents, pollToShow, voteOf, withVote } from './poll';

const poll = (id: string, extra: Partial<Poll> = {}): Poll => ({ poll: id, question: '?', choices: ['a', 'b'], counts: [0, 0], closed: false, ...extra });

test('the newest open poll is shown', () => {
  expect(pollToShow([], null, 0)).toBeNull();
  expect(pollToShow([poll('a'), poll('b')], null, 0)?.poll).toBe('b');
  expect(pollToShow([poll('a'), poll('b', { closed: true })], null, 0)?.poll).toBe('a');
  expect(pollToShow([poll('a', { until: 5 })], null, 5)).toBeNull();
  expect(isOpenPoll(poll('a', { until: 5 }), 4)).toBe(true);
});

test('one that was seen open stays with its result, one that was not is not dug up', () => {
  const closed = [poll('a', { closed: true, counts: [3, 1] })];
  expect(pollToShow(closed, 'a', 0)?.counts).toEqual([3, 1]);
  expect(pollToShow(closed, null, 0)).toBeNull();
  expect(pollToShow([...closed, poll('b')], 'a', 0)?.poll).toBe('b');
});

test('percents', () => {
  expect(percents([0, 0])).toEqual([0, 0]);
  expect(percents([1, 2])).toEqual([33, 67]);
  expect(percents([])).toEqual([]);
});

test('votes are kept, once for a poll', () => {
  let votes = withVote(withVote([], 'a', 1), 'a', 0);
  expect(votes).toEqual([['a', 0]]);
  expect(voteOf(votes, 'a')).toBe(0);
  expect(voteOf(votes, 'b')).toBeNull();
  expect(parseVotes(JSON.parse(JSON.stringify(votes)))).toEqual(votes);
  expect(parseVotes([['a'], 7, null, ['b', 1]])).toEqual([['b', 1]]);
  expect(parseVotes('x')).toEqual([]);
  for (let n = 0; n <= VOTES_KEPT_MAX; n += 1) votes = withVote(votes, `p${n}`, 0);
  expect(votes).toHaveLength(VOTES_KEPT_MAX);
});
