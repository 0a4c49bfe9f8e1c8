-- Reads a stretch of a channel, and where the channel stands at that moment.
--
-- KEYS: the channel's standing, and its log or its events.
-- ARGV: an epoch for a channel that has none, the first and the last offset, how many, and "1" for the newest first.
-- Answers the epoch, the head, and then an id and a record for each.
local epoch = redis.call('HGET', KEYS[1], 'epoch')
if not epoch then
  epoch = ARGV[1]
  redis.call('HSET', KEYS[1], 'epoch', epoch)
end
local answer = { epoch, redis.call('HGET', KEYS[1], 'head') or '0' }
if ARGV[4] == '0' then
  return answer
end
local entries
if ARGV[5] == '1' then
  entries = redis.call('XREVRANGE', KEYS[2], ARGV[3], ARGV[2], 'COUNT', ARGV[4])
else
  entries = redis.call('XRANGE', KEYS[2], ARGV[2], ARGV[3], 'COUNT', ARGV[4])
end
for _, entry in ipairs(entries) do
  answer[#answer + 1] = entry[1]
  answer[#answer + 1] = entry[2][4]
end
return answer
